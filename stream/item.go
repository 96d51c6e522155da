package stream

import (
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/postroom/postroom/backend"
)

// Attributes of the items in the control table.
const (
	attrOwner          = "worker"  // a worker's name; empty: released
	attrRun            = "session" // of that worker: names may be used twice
	attrEpoch          = "epoch"
	attrCounter        = "counter"
	attrLeaseMillis    = "lease_ms"
	attrRenewedAt      = "renewed_at"
	attrShard          = "shard"
	attrParent         = "parent"
	attrCheckpoint     = "checkpoint"
	attrCheckpointTime = "checkpoint_time"
	attrFinished       = "finished"
	attrFinishedAt     = "finished_at"
	attrLost           = "lost"
	attrOriginal       = "at_first_start"
	attrAlone          = "maybe_first"
	attrFirstReadAt    = "first_read_at"
	attrListedAt       = "listed_at"
	attrLeads          = "leads"
	attrChanges        = "notify"
	attrDead           = "expired"
)

// sign is a sign of life: the item of a worker, or that of the leader of the
// fleet. Who wrote it raises its counter.
type sign struct {
	worker, run string
	epoch       int64 // of the leader: grows with every change
	counter     int64 // grows with every renewal
	lease       time.Duration
	renewedAt   time.Time // by the writer's wall clock, for people only
	leads       bool      // of a worker: it is the leader
	changes     int64     // of a worker: grows when it wrote leases that others should look at
	dead        bool      // of a worker: another one has declared it dead
}

func (s sign) encode(key backend.Key) backend.Item {
	item := backend.Item{
		backend.AttrPK: text(key.PK), backend.AttrSK: text(key.SK),
		attrOwner: text(s.worker), attrRun: text(s.run),
		attrEpoch: number(s.epoch), attrCounter: number(s.counter),
		attrLeaseMillis: number(s.lease.Milliseconds()), attrRenewedAt: stamp(s.renewedAt),
		attrChanges: number(s.changes),
	}
	for name, v := range map[string]bool{attrLeads: s.leads, attrDead: s.dead} {
		if v {
			item[name] = boolean(true)
		}
	}
	return item
}

// unchanged is the condition that the item is still this one.
func (s sign) unchanged() backend.Condition {
	return backend.Condition{Equals: backend.Item{
		attrOwner: text(s.worker), attrRun: text(s.run),
		attrEpoch: number(s.epoch), attrCounter: number(s.counter),
	}}
}

// same reports whether the condition of one holds of the other.
func (s sign) same(t sign) bool {
	return s.worker == t.worker && s.run == t.run && s.epoch == t.epoch && s.counter == t.counter
}

func decodeSign(item backend.Item) (sign, error) {
	d := decoder{item: item}
	s := sign{
		worker: backend.Text(item, attrOwner), run: backend.Text(item, attrRun),
		epoch: d.number(attrEpoch), counter: d.number(attrCounter),
		lease: time.Duration(d.number(attrLeaseMillis)) * time.Millisecond, renewedAt: d.time(attrRenewedAt),
		changes: d.number(attrChanges), leads: isTrue(item, attrLeads), dead: isTrue(item, attrDead),
	}
	return s, d.err
}

// lease is the item of one shard: who reads it and how far all is done.
type lease struct {
	shard, parent string
	worker, run   string // empty: nobody's
	epoch         int64  // grows with every change of owner; 0: there is no item yet
	done          position
	finished      bool
	finishedAt    time.Time // by the finisher's wall clock
	lost          string    // what was lost to the stream
	original      bool      // it was there at the first start, and promised from then on
}

func (l lease) encode(key backend.Key) backend.Item {
	return backend.Item{
		backend.AttrPK: text(key.PK), backend.AttrSK: text(key.SK),
		attrShard: text(l.shard), attrParent: text(l.parent),
		attrOwner: text(l.worker), attrRun: text(l.run), attrEpoch: number(l.epoch),
		attrCheckpoint: text(l.done.sequence), attrCheckpointTime: stamp(l.done.at),
		attrFinished:   boolean(l.finished),
		attrFinishedAt: stamp(l.finishedAt), attrLost: text(l.lost),
		attrOriginal: boolean(l.original),
	}
}

// unchanged is the condition that the item is still this one.
func (l lease) unchanged() backend.Condition {
	if l.epoch == 0 {
		return backend.Condition{Absent: true}
	}
	return backend.Condition{Equals: backend.Item{
		attrOwner: text(l.worker), attrRun: text(l.run), attrEpoch: number(l.epoch),
		attrCheckpoint: text(l.done.sequence), attrFinished: boolean(l.finished),
	}}
}

// nobodys reports whether nobody has a shard that is still to be read.
func (l lease) nobodys() bool { return l.run == "" && !l.finished }

// same reports whether the condition of one holds of the other.
func (l lease) same(m lease) bool {
	return l.worker == m.worker && l.run == m.run && l.epoch == m.epoch &&
		l.done.sequence == m.done.sequence && l.finished == m.finished
}

func decodeLease(item backend.Item) (lease, error) {
	d := decoder{item: item}
	l := lease{
		shard: backend.Text(item, attrShard), parent: backend.Text(item, attrParent),
		worker: backend.Text(item, attrOwner), run: backend.Text(item, attrRun), epoch: d.number(attrEpoch),
		done:       position{backend.Text(item, attrCheckpoint), d.time(attrCheckpointTime)},
		finishedAt: d.time(attrFinishedAt), lost: backend.Text(item, attrLost),
	}
	l.finished, l.original = isTrue(item, attrFinished), isTrue(item, attrOriginal)
	return l, d.err
}

// decoder reads attributes and keeps the first error.
type decoder struct {
	item backend.Item
	err  error
}

func (d *decoder) fail(name, value string) {
	if d.err == nil {
		key := backend.KeyOf(d.item)
		d.err = &backend.Error{Op: "read the control table", Kind: backend.KindInvalid, Err: fmt.Errorf(
			"item %q, %q: %s is %q, which this version does not understand", key.PK, key.SK, name, value)}
	}
}

func (d *decoder) number(name string) int64 {
	s := backend.Number(d.item, name)
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		d.fail(name, s)
	}
	return n
}

func (d *decoder) time(name string) time.Time {
	s := backend.Text(d.item, name)
	if s == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		d.fail(name, s)
	}
	return t
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

// stamp writes a time, the zero one as an empty string.
func stamp(t time.Time) types.AttributeValue {
	if t.IsZero() {
		return text("")
	}
	return text(t.UTC().Format(time.RFC3339Nano))
}

func boolean(b bool) types.AttributeValue { return &types.AttributeValueMemberBOOL{Value: b} }

func isTrue(item backend.Item, name string) bool {
	b, ok := item[name].(*types.AttributeValueMemberBOOL)
	return ok && b.Value
}
