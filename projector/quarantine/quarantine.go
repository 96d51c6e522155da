package quarantine

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/batch"
	"github.com/postroom/postroom/internal/incident"
	"github.com/postroom/postroom/internal/item"
)

// Quarantine is the quarantine of a control table, as one worker uses it. It is
// safe for concurrent use.
type Quarantine struct {
	table   batch.Table
	log     *slog.Logger
	breaker *breaker
	aside   *item.Aside
	total   atomic.Int64
}

// New returns the quarantine of a control table. It makes no call. The breaker
// trips when more than maxShare of the last records would be quarantined; 1 never
// does.
func New(control backend.Table, maxShare float64, log *slog.Logger) *Quarantine {
	return &Quarantine{table: batch.NewTable(control), log: log, breaker: newBreaker(maxShare), aside: item.NewAside(log)}
}

// OnTrip sets what is called when the breaker trips, at most once. It must not
// block, and not call the quarantine. It is for the time before the first Put.
func (q *Quarantine) OnTrip(tripped func(*BreakerError)) { q.breaker.tripped = tripped }

// Processed notes for the breaker that the record with a key was processed.
func (q *Quarantine) Processed(key backend.Key) { q.breaker.processed(key) }

// Breaker is the share of the last records that was quarantined, and the error
// once the breaker has tripped.
func (q *Quarantine) Breaker() (share float64, err *BreakerError) { return q.breaker.state() }

// Total is how many records this worker has quarantined.
func (q *Quarantine) Total() int64 { return q.total.Load() }

// Put quarantines a record that cannot be processed, after so many attempts. The
// error is a *BreakerError, or the backend's. The same record put again replaces
// itself, and counts once.
func (q *Quarantine) Put(ctx context.Context, r Record, reason error, attempts int) error {
	return q.breaker.guard(r.Key, reason, func() error { return q.put(ctx, r, reason, attempts, false) })
}

// PutWaiting quarantines a message until somebody names the members of its
// conversation.
func (q *Quarantine) PutWaiting(ctx context.Context, r Record, reason error) error {
	return q.put(ctx, r, reason, 1, true)
}

func (q *Quarantine) put(ctx context.Context, r Record, reason error, attempts int, waiting bool) error {
	items := r.encode(reason, attempts, waiting)
	items[0][attrQuarantinedAt] = item.Time(time.Now())
	added, err := q.putOnce(ctx, r, items)
	if err != nil || !added {
		return err
	}
	q.total.Add(1)
	q.log.Error("a record was quarantined", "reason", incident.Brief(reason), "message_group_uuid", r.Key.PK,
		"key", r.Key.SK, "origin", string(r.Origin), "shard", r.Shard, "sequence", r.Sequence, "event_id", r.EventID)
	return nil
}

// putOnce writes the parts of a record and reports whether its message was not
// quarantined before. Of the stream's and the log's record of one message the
// stream's stays.
func (q *Quarantine) putOnce(ctx context.Context, r Record, parts []backend.Item) (added bool, err error) {
	if r.Origin == Stream {
		if added, err = q.write(ctx, parts); err != nil {
			return false, err
		}
		had, err := q.drop(ctx, logRecord(r.Key))
		return added && !had, err
	}
	except := r.EventID // quarantined silently before, it is owed to somebody now
	if r.Silent {
		except = ""
	}
	if there, err := q.holds(ctx, r.Key, except); there || err != nil {
		return false, err
	}
	if added, err = q.write(ctx, parts); err != nil {
		return false, err
	}
	twin, err := q.holds(ctx, r.Key, r.EventID)
	if err == nil && twin {
		_, err = q.drop(ctx, r)
	}
	return added && !twin, err
}

// write puts the first part last, and reports whether the record was not there
// before: its notifications to two recipients may both be refused. One that is there
// stays where nobody is owed a notification by the new one: somebody may be by the old.
func (q *Quarantine) write(ctx context.Context, parts []backend.Item) (added bool, err error) {
	for _, part := range slices.Backward(parts[1:]) {
		if err := q.table.Put(ctx, part, backend.Condition{}); err != nil {
			return false, err
		}
	}
	first, answerLost := parts[0], false
	err = q.table.Retry.Do(ctx, func(ctx context.Context) error {
		_, err := q.table.Table.Put(ctx, first, backend.Condition{Absent: true})
		there, ok := errors.AsType[*backend.Error](err)
		if !ok || there.Kind != backend.KindConditionFailed {
			added = err == nil
			answerLost = answerLost || err != nil
			return err
		}
		if added = answerLost && backend.EqualItems(there.Item, first); added {
			return nil // an earlier attempt put it
		}
		if item.Loose(first).Bool(attrSilent) {
			return nil
		}
		_, err = q.table.Table.Put(ctx, first, backend.Condition{})
		return err
	})
	return added, err
}

// holds reports whether a record of that key is quarantined, other than that of
// one event.
func (q *Quarantine) holds(ctx context.Context, key backend.Key, except string) (bool, error) {
	for it, err := range q.table.Query(ctx, backend.Query{PK: partition(key.PK), Consistent: true}) {
		if err != nil {
			return false, err
		}
		if isFirstPart(backend.KeyOf(it)) && backend.Text(it, attrRecordPK) == key.PK &&
			backend.Text(it, attrRecordSK) == key.SK && backend.Text(it, attrEventID) != except {
			return true, nil
		}
	}
	return false, nil
}

// drop removes a record, and reports whether it was there.
func (q *Quarantine) drop(ctx context.Context, r Record) (there bool, err error) {
	first, err := q.table.Get(ctx, r.partKey(0))
	if err != nil || first == nil {
		return false, err
	}
	d := item.Decode(first, format)
	n := parts(d)
	damage, err := d.Damage()
	if damage != nil { // it is nobody's record
		q.leaveAside(r.Key.PK, damage)
	}
	if damage != nil || err != nil {
		return false, err
	}
	var keys []backend.Key
	for i := range max(1, n) {
		keys = append(keys, r.partKey(i))
	}
	return true, q.table.Delete(ctx, keys)
}

// leaveAside notes the damaged items among the records of a partition key.
func (q *Quarantine) leaveAside(pk string, damaged ...*item.DamageError) {
	q.aside.Set("quarantine "+partition(pk), damaged)
}

// Damaged returns the items that this worker has found to be damaged when it last
// read them. It leaves them aside, and goes on with the others.
func (q *Quarantine) Damaged() []*item.DamageError { return q.aside.All() }

// Counts is how many records there are.
type Counts struct {
	Records int
	Asked   int       // how many somebody has asked to be tried again, who waits for them
	AskedAt time.Time // when the first of these was asked for; zero: none is
}

// Count counts the records that are quarantined in a control table, and returns
// their items that are damaged.
func Count(ctx context.Context, control backend.Table) (n Counts, damaged []*item.DamageError, err error) {
	for it, err := range batch.NewTable(control).Scan(ctx, backend.Scan{Consistent: true}) {
		if err != nil {
			return Counts{}, nil, err
		}
		key := backend.KeyOf(it)
		if isFirstPart(key) {
			n.Records++
		}
		damage, err := check(it)
		if err != nil {
			return Counts{}, nil, err
		}
		if b, err := decodeBatch(it); isBatch(key) && err == nil {
			n.add(b)
		}
		if damage != nil {
			damaged = append(damaged, damage)
		}
	}
	return n, damaged, nil
}
