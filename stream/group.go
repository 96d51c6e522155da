package stream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/stream/internal/lineage"
	"github.com/postroom/postroom/stream/internal/membership"
)

// groupView is what a session knows of its worker group. The first fields belong to
// the goroutine that follows the group.
type groupView struct {
	members  *membership.Group
	free     map[string]time.Time // leases that nobody has, since when
	seen     string               // the group at the last look at the leases
	nextLook time.Time            // when the next one is due
	left     bool                 // the last look left free leases to others

	look    atomic.Bool                           // leases were written here: look at once
	leader  atomic.Pointer[membership.LeaderLock] // while this session leads
	workers atomic.Int64                          // alive, this one included
	parents atomic.Pointer[map[string]bool]       // shards that are some lease's parent
	settled atomic.Pointer[time.Time]             // since when no lease is to be acquired; nil: some are
	asked   atomic.Pointer[time.Time]             // when the last round began that told what the group is, by the wall clock
	syncing atomic.Bool                           // this session leads, and listed shards may have no lease yet
}

// settledSince returns since when every readable shard has a live owner, and when
// the round began that last found it so; zero: some have none.
func (g *groupView) settledSince() (since, asked time.Time) {
	settled, round := g.settled.Load(), g.asked.Load()
	if settled == nil || round == nil || g.syncing.Load() {
		return time.Time{}, time.Time{}
	}
	return *settled, *round
}

func (g *groupView) setSettled(settled bool) {
	if !settled {
		g.settled.Store(nil)
		return
	}
	now := time.Now()
	g.settled.CompareAndSwap(nil, &now)
}

// follow keeps up with the worker group until ctx is done: who is alive, who
// leads, and which shards are whose. A round costs one small query. The leases are
// read only when something has changed, and now and then.
func (s *session) follow(ctx context.Context) error {
	s.group.members = membership.NewGroup(s.heartbeat, s.opt.Logger)
	loop := s.loop(opFollowing)
	defer loop.Succeeded("group")
	var leading sync.WaitGroup
	defer leading.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	for {
		err := s.round(ctx, &leading)
		pause := s.untilNextRound()
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			loop.Succeeded("group")
		case errors.Is(err, membership.ErrNoPlace), errors.Is(err, lineage.ErrDone):
			return err
		default:
			s.group.look.Store(true)
			more, giveUp := loop.Failed(ctx, "group", err)
			if giveUp || !s.env.EverRead.Load() && backend.KindOf(err) == backend.KindDenied {
				return err
			}
			pause = max(pause, more)
		}
		if retry.Sleep(ctx, pause, s.lookNow) != nil {
			return nil
		}
	}
}

// untilNextRound is about a tenth of the lease duration. It is less while others
// are to acquire free leases, who may have seen it otherwise, and where a session
// is to be expired before: shards wait no longer than they must.
func (s *session) untilNextRound() time.Duration {
	pause := retry.Jitter(s.opt.LeaseDuration / 10)
	if s.group.left {
		pause /= 3
	}
	if left := time.Until(s.group.members.NextExpiry()); left > 0 {
		pause = min(pause, left)
	}
	return pause
}

func (s *session) round(ctx context.Context, leading *sync.WaitGroup) error {
	g := &s.group
	g.left = false
	asked := s.opt.Now()
	live, err := s.live(ctx)
	if err != nil || !s.heartbeat.Valid() {
		return err
	}
	now := describe(live)
	due := g.look.Swap(false) || now != g.seen || !time.Now().Before(g.nextLook)
	if err := s.elect(ctx, live, leading); err != nil {
		return err
	}
	if !due {
		g.asked.Store(&asked)
		return nil
	}
	if err := s.places.Keep(ctx); err != nil {
		return err
	}
	began := time.Now()
	leases, err := s.leases.Load(ctx)
	if err != nil {
		return err
	}
	// Only now who is alive: the owner of a lease may have joined since.
	if live, err = s.live(ctx); err != nil {
		return err
	}
	if !s.heartbeat.Valid() {
		g.look.Store(true) // this one was due, and came to nothing
		return nil
	}
	if lineage.AllFinished(leases) {
		done, err := lineage.IsDone(ctx, s.control, s.id)
		if err != nil {
			return err
		}
		if done {
			return lineage.ErrDone
		}
	}
	if err := s.assign(ctx, leases, live, began); err != nil {
		return err
	}
	g.seen = now
	g.asked.Store(&asked)
	return nil
}

func (s *session) live(ctx context.Context) ([]membership.Worker, error) {
	live, err := s.group.members.Live(ctx)
	if err == nil {
		good := 0
		for _, w := range live {
			if w.Damaged == nil {
				good++
			}
		}
		s.group.workers.Store(int64(good))
	}
	return live, err
}

// describe is different when a worker came, went or asked for a look.
func describe(live []membership.Worker) string {
	var b strings.Builder
	for _, w := range live {
		fmt.Fprintf(&b, "%s %d\n", w.Session, w.Notify)
	}
	return b.String()
}
