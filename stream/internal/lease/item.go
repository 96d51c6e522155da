package lease

import (
	"strings"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/conditional"
	"github.com/postroom/postroom/internal/item"
)

// format is the newest format of a lease's item that this program knows.
const format = 1

const (
	shardPrefix = "SHARD#"

	attrWorker         = "worker"
	attrSession        = "session"
	attrEpoch          = "epoch"
	attrShard          = "shard"
	attrParent         = "parent"
	attrCheckpoint     = "checkpoint"
	attrCheckpointTime = "checkpoint_time"
	attrFinished       = "finished"
	attrFinishedAt     = "finished_at"
	attrLost           = "lost"
	attrAtFirstStart   = "at_first_start"
	attrStart          = "start"          // there only if there is one
	attrStartSequence  = "start_sequence" // there only if there is one
	attrUntil          = "until"          // there only if there is one
)

// Key is where the lease of a shard is.
func Key(id GroupID, shard string) backend.Key {
	return backend.Key{PK: id.Partition(), SK: shardPrefix + shard}
}

// IsLease reports whether a key is that of a lease.
func IsLease(key backend.Key) bool { return strings.HasPrefix(key.SK, shardPrefix) }

// Position is a place between two records of a shard.
type Position struct {
	Sequence string    // of the record before it; empty: the trim horizon
	At       time.Time // no record behind it was made before, approximately
}

// Owner is one session of a worker. Names may be used twice, sessions are not.
type Owner struct {
	Worker, Session string // both empty: nobody
}

// StartMargin is by how much the times of records may be wrong: they are approximate.
const StartMargin = time.Minute

// Start is where a group begins with a shard: what is before was promised to nobody.
type Start struct {
	// At is the time of the oldest record that the group is to have; zero: of any time.
	At time.Time
	// Sequence is the number of the first record; empty: the time decides.
	Sequence string
}

// After reports whether a record is before the start, and not for the group.
func (s Start) After(r backend.Record) bool {
	if s.Sequence != "" {
		return backend.CompareSequence(r.Sequence, s.Sequence) < 0
	}
	return r.CreatedAt.Before(s.At.Add(-StartMargin))
}

// Lease is the item of one shard.
type Lease struct {
	Shard, Parent string
	Owner
	Epoch      int64 // grows with every change of owner; 0: there is no item
	Checkpoint Position
	Finished   bool
	FinishedAt time.Time // by the clock of the worker that finished it
	Lost       string    // a loss of data in this shard, as text; empty: none
	// AtFirstStart says that the shard was listed when the stream was read for
	// the first time: what had expired by then was promised to nobody.
	AtFirstStart bool
	Start        Start     // never changes
	Until        time.Time // of the youngest record that the group is to have, never changes; zero: of any time
	// Damaged says that the item cannot be read. Of the lease only the shard is
	// known then: neither the shard nor its children may be read, and nobody writes
	// the item. Nil: it is good.
	Damaged *item.DamageError
}

// OwnedBy reports whether a session owns the lease.
func (l Lease) OwnedBy(session string) bool { return l.Session == session && l.Worker != "" }

// Unowned reports whether a shard that is still to be read has no owner at all.
func (l Lease) Unowned() bool { return l.Session == "" && !l.Finished && l.Damaged == nil }

// Readable reports whether the shard may be read now, given all leases. A parent
// without a lease is gone, since leases are created parents first.
func (l Lease) Readable(all map[string]Lease) bool {
	if l.Finished || l.Damaged != nil {
		return false
	}
	parent, known := all[l.Parent]
	return l.Parent == "" || !known || parent.Finished
}

// Encode returns the lease as an item.
func (l Lease) Encode(id GroupID) backend.Item {
	it := item.New(Key(id, l.Shard), format)
	it[attrShard], it[attrParent] = item.String(l.Shard), item.String(l.Parent)
	it[attrWorker], it[attrSession], it[attrEpoch] = item.String(l.Worker), item.String(l.Session), item.Int(l.Epoch)
	it[attrCheckpoint], it[attrCheckpointTime] = item.String(l.Checkpoint.Sequence), item.Time(l.Checkpoint.At)
	it[attrFinished], it[attrFinishedAt] = item.Bool(l.Finished), item.Time(l.FinishedAt)
	it[attrLost], it[attrAtFirstStart] = item.String(l.Lost), item.Bool(l.AtFirstStart)
	if !l.Start.At.IsZero() {
		it[attrStart] = item.Time(l.Start.At)
	}
	if !l.Until.IsZero() {
		it[attrUntil] = item.Time(l.Until)
	}
	if l.Start.Sequence != "" {
		it[attrStartSequence] = item.String(l.Start.Sequence)
	}
	return it
}

// Decode reads a lease from its item. A damaged item is a lease that says so; the
// error is that of a newer format.
func Decode(it backend.Item) (Lease, error) {
	d := item.Decode(it, format)
	l := decode(d, it)
	damage, err := d.Damage()
	if damage != nil {
		damage.Blocks = true
		l = Lease{Shard: shardOf(it), Damaged: damage}
	}
	return l, err
}

func shardOf(it backend.Item) string { return strings.TrimPrefix(backend.KeyOf(it).SK, shardPrefix) }

// decode reads what it can.
func decode(d *item.Decoder, it backend.Item) Lease {
	l := Lease{
		Shard: d.String(attrShard), Parent: d.String(attrParent),
		Owner: Owner{d.String(attrWorker), d.String(attrSession)}, Epoch: d.Int(attrEpoch, 1),
		Checkpoint: Position{d.Sequence(attrCheckpoint), d.Time(attrCheckpointTime)},
		Finished:   d.Bool(attrFinished), FinishedAt: d.Time(attrFinishedAt),
		Lost: d.String(attrLost), AtFirstStart: d.Bool(attrAtFirstStart),
	}
	l.Start.At, l.Until = d.OptionalTime(attrStart), d.OptionalTime(attrUntil)
	if it[attrStartSequence] != nil {
		l.Start.Sequence = d.Sequence(attrStartSequence)
		d.Check(attrStartSequence, l.Start.Sequence != "", "it is empty")
	}
	d.Check(attrShard, shardPrefix+l.Shard == d.String(backend.AttrSK), "it is not the shard of the key")
	d.Check(attrSession, (l.Worker == "") == (l.Session == ""), "an owner has a worker and a session, or there is none")
	d.Check(attrFinishedAt, l.Finished != l.FinishedAt.IsZero(), "it must say when the shard was finished, and only then")
	return l
}

// Repaired returns what to put in the place of a damaged lease. What can be read of it
// stays, except its owner: the shard is free, and is read again from its checkpoint
// or from its trim horizon. Where the time of the checkpoint is not known, the shard
// may have lost records unread, and its reader reports that. Parent is what the
// stream says.
func Repaired(it backend.Item, parent string, now time.Time) Lease {
	l := decode(item.Decode(it, format), it)
	l.Shard, l.Owner, l.Epoch = shardOf(it), Owner{}, max(l.Epoch, 1)
	l.Finished, l.FinishedAt = false, time.Time{}
	if l.Parent == "" {
		l.Parent = parent
	}
	if l.Checkpoint.At.IsZero() {
		l.Checkpoint.At = now.Add(-backend.StreamRetention)
	}
	return l
}

// unchanged is the condition that the item is still this one.
func (l Lease) unchanged() backend.Condition {
	if l.Epoch == 0 {
		return backend.Condition{Absent: true}
	}
	return backend.Condition{Equals: backend.Item{
		attrWorker: item.String(l.Worker), attrSession: item.String(l.Session), attrEpoch: item.Int(l.Epoch),
		attrCheckpoint: item.String(l.Checkpoint.Sequence), attrFinished: item.Bool(l.Finished),
	}}
}

// same reports whether the condition of one lease holds of the other.
func (l Lease) same(m Lease) bool { return conditional.Same(l.unchanged(), m.unchanged()) }

// beyond reports whether a lease says more than next is to say. Then it is not an
// earlier write of the handle that writes next: somebody deleted the item, and the
// same session has read the shard anew since.
func (l Lease) beyond(next Lease) bool {
	return l.Finished && !next.Finished ||
		l.Lost == next.Lost && backend.CompareSequence(l.Checkpoint.Sequence, next.Checkpoint.Sequence) > 0
}
