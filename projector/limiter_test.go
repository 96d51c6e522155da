package projector

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/retry"
)

// meteredTable takes so many calls a second, with room for a tenth of a second,
// each of which takes ten milliseconds, and throttles the others.
type meteredTable struct {
	mu       sync.Mutex
	rate     float64 // 0: any number
	room     float64
	filled   time.Time
	accepted int
	refused  int
}

func (m *meteredTable) call() (throttled bool, err error) {
	m.mu.Lock()
	m.room = min(max(1, m.rate/10), m.room+m.rate*time.Since(m.filled).Seconds())
	m.filled = time.Now()
	throttled = m.rate > 0 && m.room < 1
	if throttled {
		m.refused++
		err = failure(backend.KindThrottled)
	} else {
		m.room = max(0, m.room-1)
		m.accepted++
	}
	m.mu.Unlock()
	time.Sleep(10 * time.Millisecond)
	return throttled, err
}

func (m *meteredTable) set(rate float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rate = rate
}

// during counts what is accepted and refused in some time.
func (m *meteredTable) during(d time.Duration) (accepted, refused int) {
	m.mu.Lock()
	a, r := m.accepted, m.refused
	m.mu.Unlock()
	time.Sleep(d)
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.accepted - a, m.refused - r
}

// callers makes calls at once without an end, each a conversation of its own,
// and tries again what is throttled with the pauses of retry.
func callers(ctx context.Context, n int, p *limiter, m *meteredTable) *sync.WaitGroup {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			for failures := 0; ctx.Err() == nil; {
				if p.do(ctx, fmt.Sprint(i), m.call) == nil {
					failures = 0
					continue
				}
				failures++
				_ = retry.Sleep(ctx, policy().Pause(failures), nil)
			}
		})
	}
	return &all
}

// TestP10LimitOfTheTable: under a table that bears only so many calls a
// second they come to about that many, few of them are throttled, and within
// seconds after the pressure is gone they are as many as before.
func TestP10LimitOfTheTable(t *testing.T) {
	for _, rate := range []float64{20, 50, 200, 1000, 2500} {
		t.Run(fmt.Sprint(rate), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				m := &meteredTable{}
				all := callers(ctx, 32, newLimiter(32), m)
				before, _ := m.during(10 * time.Second)
				m.set(rate)
				time.Sleep(10 * time.Second)
				accepted, refused := m.during(time.Minute)
				share := float64(refused) / float64(accepted+refused)
				t.Logf("of %v calls a second %.1f are made, %.1f %% of all calls are throttled", rate, float64(accepted)/60, 100*share)
				if got := float64(accepted) / 60; got < 0.6*rate || got > 1.05*rate {
					t.Errorf("%.1f calls a second", got)
				}
				if most := 0.05 + 2/rate; share > most {
					t.Errorf("%.1f %% are throttled", 100*share)
				}
				m.set(0)
				time.Sleep(8 * time.Second)
				if after, _ := m.during(10 * time.Second); float64(after) < 0.95*float64(before) {
					t.Errorf("%d calls in ten seconds afterwards, %d before", after, before)
				}
				stop()
				all.Wait()
			})
		})
	}
}

// hot makes calls for one conversation that are throttled, all of them or every
// other one, with the pauses of retry.
func hot(ctx context.Context, who string, p *limiter, always bool) {
	for n := 0; ctx.Err() == nil; n++ {
		_ = p.do(ctx, who, func() (bool, error) {
			time.Sleep(10 * time.Millisecond)
			return always || n%2 == 0, nil
		})
		_ = retry.Sleep(ctx, policy().Pause(1), nil)
	}
}

// TestP10HotConversations: one conversation that is throttled, always or now
// and then, holds up nobody else; a few slow the others down and do not stop
// them, and when they are over all is as before. Four that are throttled in turn halve the
// limit every 2.5 s. In that time it grows by twelve, so it goes up and down between 12
// and 24 of 32; the hot ones take some of that.
func TestP10HotConversations(t *testing.T) {
	for _, c := range []struct {
		hot    int
		always bool
		share  float64 // of the calls of the others that must get through
	}{{1, true, 0.9}, {1, false, 0.9}, {4, true, 0.45}, {4, false, 0.45}} {
		t.Run(fmt.Sprint(c.hot, c.always), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				p, m := newLimiter(32), &meteredTable{}
				all := callers(ctx, 31, p, m)
				before, _ := m.during(time.Minute)
				heat, cool := context.WithCancel(ctx)
				for i := range c.hot {
					all.Go(func() { hot(heat, fmt.Sprint("hot ", i), p, c.always) })
				}
				during, _ := m.during(time.Minute)
				t.Logf("%.1f %% of the other calls get through", 100*float64(during)/float64(before))
				if float64(during) < c.share*float64(before) {
					t.Errorf("%d calls of others beside hot conversations, %d before", during, before)
				}
				cool()
				time.Sleep(8 * time.Second)
				if after, _ := m.during(time.Minute); float64(after) < 0.99*float64(before) {
					t.Errorf("%d calls afterwards, %d before", after, before)
				}
				stop()
				all.Wait()
			})
		})
	}
}

// TestLimiterGivenUp: who stops waiting leaves nothing behind.
func TestLimiterGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newLimiter(1)
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		slow := func() (bool, error) { time.Sleep(time.Second); return false, nil }
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() { _ = p.do(ctx, "", slow) })
		}
		all.Wait()
		if p.busy != 0 || !p.places.TryAcquire(1) {
			t.Errorf("%d calls count as under way, or one waits", p.busy)
		}
	})
}

// TestP11LimitedTable: what a batch leaves undone counts as throttled, a
// transaction by each of its reasons, and all calls for one conversation as its.
func TestP11LimitedTable(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		refusal := error(&backend.Error{Op: "test", Kind: backend.KindConditionFailed, Reasons: []*backend.Reason{
			{Kind: backend.KindConditionFailed}, nil, {Kind: backend.KindThrottled}, {Kind: backend.KindConflict},
		}})
		r.table.onTransact = func([]backend.Action) error { return refusal }
		l := newLimiter(8)
		limited := l.Table(partialTable{r.table})
		_, _ = limited.Transact(t.Context(), "token", []backend.Action{{Check: backend.Key{PK: id(1), SK: "HEAD"}}})
		row := backend.Key{PK: "grp#" + id(1000), SK: postroom.RowKey(start, id(1))}
		if left, _, err := limited.BatchWrite(t.Context(), []backend.Write{{Delete: row}, {Delete: row}}); len(left) != 1 || err != nil {
			t.Fatalf("%v left, %v", left, err)
		}
		if l.throttled.Load() != 2 || l.conflicts.Load() != 1 {
			t.Errorf("%d throttled and %d conflicts", l.throttled.Load(), l.conflicts.Load())
		}
		if len(l.cutBy) != 1 || l.limit != 0.5 { // of one call under way, halved once
			t.Errorf("a limit of %v, halved by %v", l.limit, l.cutBy)
		}
	})
}

// partialTable leaves the last write of each batch undone.
type partialTable struct{ backend.Table }

func (partialTable) BatchWrite(_ context.Context, writes []backend.Write) ([]backend.Write, backend.Units, error) {
	return writes[len(writes)-1:], backend.Units{}, nil
}
