package membership

import (
	"context"
	"errors"
	"slices"

	"github.com/postroom/postroom/internal/retry"
)

// ErrNotLeader says that another session has acquired the leader's lock.
var ErrNotLeader = errors.New("another worker leads the worker group")

// LeaderLock is the leader's lock in the hands of the session that leads.
type LeaderLock struct {
	renewable[Leader]
}

// Elect acquires the leader's lock unless a live session has it. It returns nil if
// this session does not lead then. Acquire and renew are the loops of the first
// write and of the renewals.
func (m Member) Elect(ctx context.Context, live []Worker, acquire, renew retry.Loop) (*LeaderLock, error) {
	if slices.ContainsFunc(live, func(w Worker) bool { return w.Leads }) {
		return nil, nil
	}
	cur, err := m.Leader(ctx)
	if err != nil {
		return nil, err
	}
	if cur.Damaged == nil && cur.Worker != "" && slices.ContainsFunc(live, func(w Worker) bool { return w.Session == cur.Session }) {
		return nil, nil // its next heartbeat says that it leads
	}
	next := Leader{Owner: m.Self, Epoch: cur.Epoch + 1, Counter: cur.Counter, LeaseDuration: m.LeaseDuration}.renewed(m.Now())
	lock := &LeaderLock{newRenewable(m, renew, "leader", ErrNotLeader, DecodeLeader)}
	ours, err := lock.acquire(ctx, acquire, next, cur.unchanged())
	if err != nil || !ours {
		return nil, err
	}
	if cur.Damaged != nil { // two leaders do no harm, but none does
		m.Aside.Replaced(cur.Damaged)
	}
	return lock, nil
}

// Leader reads the leader's lock; the zero value if nobody ever had it.
func (m Member) Leader(ctx context.Context) (Leader, error) {
	it, err := m.Table.Get(ctx, LeaderKey(m.ID))
	if err != nil || it == nil {
		return Leader{}, err
	}
	return DecodeLeader(it)
}

// Release gives the lock up, so that another session can acquire it at once.
func (l *LeaderLock) Release(ctx context.Context) error {
	return l.renew(ctx, func(next *Leader) { next.Worker = "" })
}
