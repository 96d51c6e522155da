package fuzz_test

import (
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/fuzz"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/stream/internal/lease"
	"github.com/postroom/postroom/stream/internal/lineage"
	"github.com/postroom/postroom/stream/internal/membership"
)

var id = lease.GroupID{ARN: "arn:aws:dynamodb:eu-central-1:000000000000:table/postroom/stream/1", Name: lease.DefaultGroup}

var (
	at    = time.Date(2026, 5, 21, 10, 30, 0, 123456789, time.UTC)
	owner = lease.Owner{Worker: "ann", Session: "f47ac10b"}
)

// refused is the error of an item that is refused: a newer format, or damage.
func refused(damage *item.DamageError, err error) error {
	if err == nil && damage != nil {
		return damage
	}
	return err
}

// sameKey gives an item the key, and the format, of another: by these it was found.
func sameKey(it, of backend.Item) backend.Item {
	for _, name := range []string{backend.AttrPK, backend.AttrSK, item.AttrFormat} {
		it[name] = of[name]
	}
	return it
}

// An item is refused, or it is a lease that is stored as that item again.
func FuzzLease(f *testing.F) {
	free := lease.Lease{Shard: "shardId-1", Epoch: 1, AtFirstStart: true}
	owned := lease.Lease{
		Shard: "shardId-2", Parent: "shardId-1", Owner: owner, Epoch: 7,
		Checkpoint: lease.Position{Sequence: "100000000000000000000000000001", At: at},
	}
	finished := owned
	finished.Owner, finished.Finished, finished.FinishedAt, finished.Lost = lease.Owner{}, true, at, "it was trimmed"
	started := owned
	started.Start = lease.Start{At: at, Sequence: "100000000000000000000000000000"}
	fuzz.Items(f, func(it backend.Item) (backend.Item, error) {
		l, err := lease.Decode(it)
		return sameKey(l.Encode(id), it), refused(l.Damaged, err)
	}, free.Encode(id), started.Encode(id), owned.Encode(id), finished.Encode(id))
}

// An item is refused, or it names the groups that read a stream.
func FuzzReaders(f *testing.F) {
	one := membership.Readers{Groups: []string{"projector"}, Session: owner.Session, SetAt: at}
	two := one
	two.Groups = []string{"projector", "replay-1"}
	fuzz.Items(f, func(it backend.Item) (backend.Item, error) {
		r, err := membership.DecodeReaders(it)
		return sameKey(r.Encode(id.ARN), it), refused(r.Damaged, err)
	}, one.Encode(id.ARN), two.Encode(id.ARN))
}

// An item is refused, or it is a heartbeat that is stored as that item again.
func FuzzWorker(f *testing.F) {
	alive := membership.Worker{Owner: owner, Counter: 5, LeaseDuration: 10 * time.Second, RenewedAt: at, Leads: true, Notify: 2}
	expired := alive
	expired.Counter, expired.Expired = -1, true
	fuzz.Items(f, func(it backend.Item) (backend.Item, error) {
		w, err := membership.DecodeWorker(it)
		return sameKey(w.Encode(id), it), refused(w.Damaged, err)
	}, alive.Encode(id), expired.Encode(id))
}

// An item is refused, or it is a leader's lock that is stored as that item again.
func FuzzLeader(f *testing.F) {
	locked := membership.Leader{Owner: owner, Epoch: 3, Counter: 5, LeaseDuration: 10 * time.Second, RenewedAt: at}
	released := locked
	released.Worker = ""
	fuzz.Items(f, func(it backend.Item) (backend.Item, error) {
		l, err := membership.DecodeLeader(it)
		return sameKey(l.Encode(id), it), refused(l.Damaged, err)
	}, locked.Encode(id), released.Encode(id))
}

// An item is refused, or it is a stream's history that is stored as that item again.
func FuzzHistory(f *testing.F) {
	first := lineage.History{FirstReadAt: at, MaybeFirst: true}
	listed := lineage.History{FirstReadAt: at, ListedAt: at.Add(time.Hour)}
	started := lineage.History{FirstReadAt: at, Start: lineage.Start{At: at, Shard: "shardId-1", Sequence: "100000000000000000000000000001"}}
	fuzz.Items(f, func(it backend.Item) (backend.Item, error) {
		h, err := lineage.DecodeHistory(it)
		return sameKey(h.Encode(id), it), err
	}, first.Encode(id), listed.Encode(id), started.Encode(id))
}
