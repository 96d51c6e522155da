package membership

import (
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
func WorkerKey(arn, session string) backend.Key {
	return backend.Key{PK: lease.Partition(arn), SK: workerPrefix + session}
}

// LeaderKey is where the leader's lock is.
func LeaderKey(arn string) backend.Key {
	return backend.Key{PK: lease.Partition(arn), SK: leaderSK}
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
}

// Encode returns the heartbeat as an item.
func (w Worker) Encode(arn string) backend.Item {
	it := item.New(WorkerKey(arn, w.Session), format)
	it[attrWorker], it[attrSession] = item.String(w.Worker), item.String(w.Session)
	it[attrCounter], it[attrNotify] = item.Int(w.Counter), item.Int(w.Notify)
	it[attrLeaseMillis], it[attrRenewedAt] = item.Int(w.LeaseDuration.Milliseconds()), item.Time(w.RenewedAt)
	it[attrLeads], it[attrExpired] = item.Bool(w.Leads), item.Bool(w.Expired)
	return it
}

// DecodeWorker reads a heartbeat from its item.
func DecodeWorker(it backend.Item) (Worker, error) {
	d := item.Decode(it, format)
	w := Worker{
		Owner:   lease.Owner{Worker: d.String(attrWorker), Session: d.String(attrSession)},
		Counter: d.Int(attrCounter), LeaseDuration: time.Duration(d.Int(attrLeaseMillis)) * time.Millisecond,
		RenewedAt: d.Time(attrRenewedAt), Leads: d.Bool(attrLeads), Notify: d.Int(attrNotify), Expired: d.Bool(attrExpired),
	}
	return w, d.Err()
}

func (w Worker) unchanged() backend.Condition {
	return backend.Condition{Equals: backend.Item{attrSession: item.String(w.Session), attrCounter: item.Int(w.Counter)}}
}

func (w Worker) of(session string) bool { return w.Session == session && !w.Expired }

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
}

// Encode returns the lock as an item.
func (l Leader) Encode(arn string) backend.Item {
	it := item.New(LeaderKey(arn), format)
	it[attrWorker], it[attrSession] = item.String(l.Worker), item.String(l.Session)
	it[attrEpoch], it[attrCounter] = item.Int(l.Epoch), item.Int(l.Counter)
	it[attrLeaseMillis], it[attrRenewedAt] = item.Int(l.LeaseDuration.Milliseconds()), item.Time(l.RenewedAt)
	return it
}

// DecodeLeader reads the lock from its item.
func DecodeLeader(it backend.Item) (Leader, error) {
	d := item.Decode(it, format)
	l := Leader{
		Owner: lease.Owner{Worker: d.String(attrWorker), Session: d.String(attrSession)},
		Epoch: d.Int(attrEpoch), Counter: d.Int(attrCounter),
		LeaseDuration: time.Duration(d.Int(attrLeaseMillis)) * time.Millisecond, RenewedAt: d.Time(attrRenewedAt),
	}
	return l, d.Err()
}

func (l Leader) unchanged() backend.Condition {
	if l.Epoch == 0 {
		return backend.Condition{Absent: true}
	}
	return backend.Condition{Equals: backend.Item{
		attrWorker: item.String(l.Worker), attrSession: item.String(l.Session),
		attrEpoch: item.Int(l.Epoch), attrCounter: item.Int(l.Counter),
	}}
}

func (l Leader) of(session string) bool { return l.Session == session }

func (l Leader) renewed(now time.Time) Leader {
	l.Counter++
	l.RenewedAt = now
	return l
}
