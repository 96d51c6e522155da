package membership

import (
	"errors"
	"maps"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/stream/internal/lease"
)

// format is the newest format of these items that this program knows.
const format = 1

const (
	workerPrefix = "WORKER#"
	leaderSK     = "LEADER"

	attrWorker      = "worker" // a worker's name; empty: released
	attrSession     = "session"
	attrEpoch       = "epoch"
	attrCounter     = "counter"
	attrLeaseMillis = "lease_ms"
	attrRenewedAt   = "renewed_at"
	attrLeads       = "leads"
	attrNotify      = "notify"
	attrExpired     = "expired"
)

// WorkerKey is where the heartbeat of a session is.
func WorkerKey(id lease.GroupID, session string) backend.Key {
	return backend.Key{PK: id.Partition(), SK: workerPrefix + session}
}

// LeaderKey is where the leader's lock is.
func LeaderKey(id lease.GroupID) backend.Key {
	return backend.Key{PK: id.Partition(), SK: leaderSK}
}

// Worker is the item of one session: its heartbeat.
type Worker struct {
	lease.Owner
	Counter       int64         // grows with every heartbeat
	LeaseDuration time.Duration // how long the session lives without one
	RenewedAt     time.Time     // by the worker's clock, for people only
	Leads         bool          // it leads the group
	Notify        int64         // grows when the others should look at the leases
	Expired       bool          // another worker has expired the session

	damage
}

// damage says that an item cannot be read. Of the other fields those are set that
// can be; the session is that of the key.
type damage struct {
	Damaged *item.DamageError // nil: it is good
	as      backend.Item      // as it was read
}

// Encode returns the heartbeat as an item.
func (w Worker) Encode(id lease.GroupID) backend.Item {
	it := item.New(WorkerKey(id, w.Session), format)
	it[attrWorker], it[attrSession] = item.String(w.Worker), item.String(w.Session)
	it[attrCounter], it[attrNotify] = item.Int(w.Counter), item.Int(w.Notify)
	it[attrLeaseMillis], it[attrRenewedAt] = item.Int(w.LeaseDuration.Milliseconds()), item.Time(w.RenewedAt)
	it[attrLeads], it[attrExpired] = item.Bool(w.Leads), item.Bool(w.Expired)
	return it
}

// DecodeWorker reads a heartbeat from its item. A damaged item is a heartbeat that
// says so; the error is that of a newer format.
func DecodeWorker(it backend.Item) (Worker, error) {
	d := item.Decode(it, format)
	w := Worker{
		Owner:   lease.Owner{Worker: d.String(attrWorker), Session: d.String(attrSession)},
		Counter: d.Int(attrCounter, -1), LeaseDuration: duration(d),
		RenewedAt: d.Time(attrRenewedAt), Leads: d.Bool(attrLeads), Notify: d.Int(attrNotify, 0), Expired: d.Bool(attrExpired),
	}
	key := backend.KeyOf(it).SK
	d.Check(attrSession, workerPrefix+w.Session == key, "it is not the session of the key")
	d.Check(attrWorker, w.Worker != "", "it is empty")
	damaged, err := d.Damage()
	w.Session, w.damage = strings.TrimPrefix(key, workerPrefix), damage{damaged, it}
	return w, err
}

func duration(d *item.Decoder) time.Duration {
	ms := d.Int(attrLeaseMillis, 1)
	if ms > math.MaxInt64/int64(time.Millisecond) {
		d.Fail(attrLeaseMillis, errors.New("it is too long"))
		return 0
	}
	return time.Duration(ms) * time.Millisecond
}

// canRenew reports whether the session of a damaged heartbeat can renew it: what it
// compares is intact.
func (w Worker) canRenew() bool {
	counter, err := strconv.ParseInt(backend.Number(w.as, attrCounter), 10, 64)
	return backend.Text(w.as, attrSession) == w.Session && err == nil && counter == w.Counter
}

// expired is the item that says that the session was expired. Of a damaged one
// everything else stays.
func (w Worker) expired(id lease.GroupID) backend.Item {
	if w.Damaged == nil {
		w.Expired, w.Counter = true, -1
		return w.Encode(id)
	}
	it := maps.Clone(w.as)
	it[attrExpired], it[attrCounter] = item.Bool(true), item.Int(-1)
	return it
}

func (w Worker) unchanged() backend.Condition {
	return backend.Condition{Equals: backend.Item{attrSession: item.String(w.Session), attrCounter: item.Int(w.Counter)}}
}

func (w Worker) of(session string) bool {
	return w.Session == session && !w.Expired && w.Damaged == nil
}

func (w Worker) renewed(now time.Time) Worker {
	w.Counter++
	w.RenewedAt = now
	return w
}

// Leader is the item of the leader's lock.
type Leader struct {
	lease.Owner         // no worker: released
	Epoch         int64 // grows with every change of leader; 0: there is no item
	Counter       int64 // grows with every renewal
	LeaseDuration time.Duration
	RenewedAt     time.Time // by the leader's clock, for people only

	damage
}

// Encode returns the lock as an item.
func (l Leader) Encode(id lease.GroupID) backend.Item {
	it := item.New(LeaderKey(id), format)
	it[attrWorker], it[attrSession] = item.String(l.Worker), item.String(l.Session)
	it[attrEpoch], it[attrCounter] = item.Int(l.Epoch), item.Int(l.Counter)
	it[attrLeaseMillis], it[attrRenewedAt] = item.Int(l.LeaseDuration.Milliseconds()), item.Time(l.RenewedAt)
	return it
}

// DecodeLeader reads the lock from its item. A damaged item is a lock that says so;
// the error is that of a newer format.
func DecodeLeader(it backend.Item) (Leader, error) {
	d := item.Decode(it, format)
	l := Leader{
		Owner: lease.Owner{Worker: d.String(attrWorker), Session: d.String(attrSession)},
		Epoch: d.Int(attrEpoch, 1), Counter: d.Int(attrCounter, 1),
		LeaseDuration: duration(d), RenewedAt: d.Time(attrRenewedAt),
	}
	d.Check(attrSession, l.Session != "", "it is empty")
	damaged, err := d.Damage()
	l.damage = damage{damaged, it}
	return l, err
}

func (l Leader) unchanged() backend.Condition {
	if l.Damaged != nil {
		return item.Same(l.as)
	}
	if l.Epoch == 0 {
		return backend.Condition{Absent: true}
	}
	return backend.Condition{Equals: backend.Item{
		attrWorker: item.String(l.Worker), attrSession: item.String(l.Session),
		attrEpoch: item.Int(l.Epoch), attrCounter: item.Int(l.Counter),
	}}
}

func (l Leader) of(session string) bool { return l.Session == session && l.Damaged == nil }

func (l Leader) renewed(now time.Time) Leader {
	l.Counter++
	l.RenewedAt = now
	return l
}

// Repair returns how to repair an item of a stream's partition; nil: it is good, or not one
// of these. The error is that of a newer format.
func Repair(it backend.Item) (*item.Repair, error) {
	switch sk := backend.KeyOf(it).SK; {
	case strings.HasPrefix(sk, workerPrefix):
		w, err := DecodeWorker(it)
		return item.Deletion(w.Damaged, err, "its worker, if it runs, joins the worker group again")
	case sk == leaderSK:
		l, err := DecodeLeader(it)
		return item.Deletion(l.Damaged, err, "a worker leads the worker group within seconds")
	case sk == readersSK:
		r, err := DecodeReaders(it)
		return item.Deletion(r.Damaged, err, "the groups that read the stream write it anew")
	case sk == destinationSK:
		d, err := DecodeDestination(it)
		return item.Deletion(d.Damaged, err, "the next worker that starts decides where the group sends to")
	}
	return nil, nil
}
