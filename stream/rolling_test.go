package stream

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

const (
	// lease10 is the lease duration by default.
	lease10 = 10 * time.Second
	// poll is the longest pause between two looks at the group, a second look
	// where two wanted the same shard, and the calls until the last shard is read.
	poll = lease10/10*6/5 + lease10/30*6/5 + 250*time.Millisecond
)

// owners is how many shards have had an owner.
func (c *crowd) owners() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.owned
}

// unreadYet is how many shards were never read.
func (c *crowd) unreadYet() (n int) {
	_, reads := c.account()
	for _, one := range reads {
		if one == 0 {
			n++
		}
	}
	return n
}

// spread is how many shards the fullest worker has more than the emptiest.
func spread(group []*member) int {
	var held []int
	for _, m := range group {
		held = append(held, m.Stats().Leases)
	}
	return slices.Max(held) - slices.Min(held)
}

// until waits, in steps of 10 ms, for what has to be so within a time.
func until(t *testing.T, most time.Duration, holds func() bool) (took time.Duration) {
	t.Helper()
	began := time.Now()
	for !holds() {
		if time.Since(began) > most {
			t.Fatalf("not so after %v", most)
		}
		pass(10 * time.Millisecond)
	}
	return time.Since(began)
}

func TestS15ColdStartOfOneWorker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(500, 10)
		c.join(t, config{})
		leased := until(t, lease10, func() bool { return c.owners() == 500 })
		read := until(t, lease10, func() bool { return c.unreadYet() == 0 })
		t.Logf("all leased after %v, all read after %v", leased, leased+read)
	})
}

func TestS15ColdStartOfFiveWorkers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(500, 10)
		var group []*member
		for i := range 5 {
			group = append(group, c.join(t, config{Worker: fmt.Sprint("w", i)}))
		}
		leased := until(t, lease10, func() bool { return c.owners() == 500 })
		balanced := until(t, 2*poll, func() bool { return spread(group) <= 1 })
		moved, _, _ := c.change(time.Minute, func() {})
		t.Logf("all leased after %v, balanced %v later", leased, balanced)
		if moved > 0 {
			t.Errorf("%d shards moved after that", moved)
		}
	})
}

// change lets workers come or go and waits. It returns how many shards changed
// their owner, how often at most, and the longest that one was not read.
func (c *crowd) change(wait time.Duration, do func()) (moved, times int, gap time.Duration) {
	c.mu.Lock()
	before := slices.Clone(c.moves)
	c.gap = 0
	c.mu.Unlock()
	do()
	pass(wait)
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, n := range c.moves {
		if n -= before[i]; n > 0 {
			moved++
			times = max(times, n)
		}
	}
	return moved, times, c.gap
}

// sinceBeat is how old a worker's last heartbeat is.
func (c *crowd) sinceBeat(m *member) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.beats[m.current.Load().self.Session])
}

// A worker that is left with a fifth of the shards takes as many as one that
// comes, and nothing else moves.
func TestS14RollingRestart(t *testing.T) {
	t.Parallel()
	for _, leaving := range []struct {
		how  string
		do   func(*member, *testing.T)
		most time.Duration // without a reader
	}{
		{"stop", (*member).stop, poll},
		{"crash", (*member).crash, lease10 + poll},
	} {
		t.Run(leaving.how, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const shards, workers = 200, 5
				c := newCrowd(shards, 10)
				var group []*member
				for i := range workers {
					group = append(group, c.join(t, config{Worker: fmt.Sprint("w", i)}))
				}
				pass(time.Minute)
				var longest, longestGiven time.Duration
				for i, m := range group {
					// The others notice latest if it goes just after a heartbeat.
					until(t, lease10, func() bool { return c.sinceBeat(m) < lease10/500 })
					moved, times, gap := c.change(leaving.most+5*time.Second, func() { leaving.do(m, t) })
					if moved != shards/workers || times != 1 {
						t.Errorf("%s: %d shards moved, up to %d times", leaving.how, moved, times)
					}
					longest = max(longest, gap)
					moved, times, gap = c.change(30*time.Second, func() {
						group[i] = c.join(t, config{Worker: fmt.Sprint("w", i)})
					})
					if moved != shards/workers || times != 1 {
						t.Errorf("start: %d shards moved, up to %d times", moved, times)
					}
					longestGiven = max(longestGiven, gap)
				}
				t.Logf("without a reader at most: %v after a %s, %v in a transfer", longest, leaving.how, longestGiven)
				if longest > leaving.most || longestGiven > poll {
					t.Errorf("want at most %v, and %v", leaving.most, poll)
				}
			})
		})
	}
}
