package canary

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
)

// A canary arrives, again and again, and is measured.
func TestCanary(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		r.project()
		r.consume()
		c := r.canary(nil)
		stop := r.run(c.Run)
		time.Sleep(10*time.Minute + 30*time.Second)
		all := r.took()
		if len(all) != 11 {
			t.Errorf("%d canaries in ten minutes", len(all))
		}
		for _, one := range all {
			if one.Stage != "" || one.Visible <= 0 || one.Delivered <= 0 || one.Visible > 2*time.Second || one.Delivered > 2*time.Second {
				t.Errorf("%+v", one)
			}
		}
		states := r.states()
		if len(states) != 1 || states[0].InARow != 0 || states[0].Last.MessageUUID != all[10].MessageUUID || !states[0].Delivers ||
			!states[0].ArrivedAt.Equal(all[10].PostedAt) || !states[0].FailingSince.IsZero() {
			t.Errorf("%+v", states)
		}
		if h := c.visible.Histogram(); h.Count != 11 {
			t.Errorf("%+v", h)
		}
		if s := r.projector.Stats(); s.Projected != 12 || s.Quarantined != 0 {
			t.Errorf("the projector counts %+v", s)
		}
		r.verify()
		stop()
		if states := r.states(); len(states) != 0 {
			t.Errorf("a process that was stopped is remembered: %+v", states)
		}
		if r.log.count("\n") > 0 {
			t.Errorf("logged: %s", r.log.text.String())
		}
	})
}

// Each stage fails by itself, is counted, and logged once; then canaries arrive again.
func TestCanaryFails(t *testing.T) {
	for stage, cut := range map[Stage]func(r *rig) (mend func()){
		Post: func(r *rig) func() {
			r.down("Put "+table, "Query "+table)
			return r.up
		},
		Visible: func(r *rig) func() {
			r.down("Transact " + table)
			return r.up
		},
		Delivered: func(r *rig) func() {
			r.down("Receive " + queue)
			return r.up
		},
	} {
		t.Run(string(stage), func(t *testing.T) {
			inRig(t, func(t *testing.T, r *rig) {
				r.project()
				r.consume()
				c := r.canary(nil)
				r.run(c.Run)
				time.Sleep(2*time.Minute + 45*time.Second)
				r.failedAt("")
				began := time.Now()
				mend := cut(r)
				time.Sleep(3 * time.Minute)
				r.failedAt(stage)
				states := r.states()
				if len(states) != 1 || states[0].Last.Stage != stage || states[0].InARow != 3 || states[0].Last.Error == "" ||
					states[0].FailingSince.Sub(began).Abs() > time.Minute {
					t.Errorf("%+v", states)
				}
				if why, begun := c.Failing(); why == "" || !begun {
					t.Errorf("failing: %q, %v", why, begun)
				}
				c.mu.Lock()
				s := c.stats
				c.mu.Unlock()
				if s.Failures[stage] != 3 || s.InARow != 3 {
					t.Errorf("%+v", s)
				}
				mend()
				time.Sleep(time.Minute)
				r.took() // the first may have had to wait for what had failed before
				time.Sleep(time.Minute)
				r.failedAt("")
				if r.log.count("the canary fails") != 1 || r.log.count("the canary works again") != 1 {
					t.Errorf("logged: %s", r.log.text.String())
				}
			})
		})
	}
}

// Where consumers cannot be asked, a canary has arrived once it is visible.
func TestCanaryUntilVisible(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		r.project()
		one, err := r.canary(func(c *Config, _ *Options) { c.Handled = nil }).Once(t.Context())
		if err != nil || one.Stage != "" || one.Visible == 0 || one.Delivered != 0 {
			t.Errorf("%+v, %v", one, err)
		}
		if len(r.states()) != 0 {
			t.Error("one canary left a state")
		}
	})
}

// A call that hangs ends with the canary's time, and says so.
func TestCanaryTimeout(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		begun := time.Now()
		one, err := r.canary(func(c *Config, o *Options) {
			c.Handled = func(ctx context.Context, _ string) (bool, error) {
				<-ctx.Done()
				return false, ctx.Err()
			}
			o.Timeout = 10 * time.Second
		}).Once(t.Context())
		if err != nil || one.Stage != Visible || time.Since(begun) != 10*time.Second {
			t.Errorf("%+v, %v, after %v", one, err, time.Since(begun))
		}
	})
}

// Two processes with one name do not disturb each other.
func TestTwoCanariesOfOneName(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		r.project()
		r.consume()
		r.run(r.canary(func(_ *Config, o *Options) { o.Host = "a" }).Run)
		r.run(r.canary(func(_ *Config, o *Options) { o.Host = "b" }).Run)
		time.Sleep(10*time.Minute + 30*time.Second)
		if len(r.results) != 22 {
			t.Errorf("%d canaries", len(r.results))
		}
		r.failedAt("")
		if states := r.states(); len(states) != 2 || states[0].Host == states[1].Host {
			t.Errorf("%+v", states)
		}
		r.verify()
	})
}

// The clock is set, forwards and back. No latency is negative, and nothing counts as
// visible that is not.
func TestCanaryWhoseClockIsSet(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		stop := r.project()
		r.consume()
		c := r.canary(nil)
		once := func() Result {
			t.Helper()
			one, err := c.Once(t.Context())
			if err != nil || one.Visible < 0 || one.Delivered < 0 || one.Visible > time.Minute || one.Delivered > time.Minute {
				t.Errorf("%+v, %v", one, err)
			}
			return one
		}
		for _, ahead := range []time.Duration{0, 30 * time.Second, -20 * time.Second, 0} {
			r.ahead.Store(int64(ahead))
			if one := once(); one.Stage != "" {
				t.Errorf("with a clock that is %v ahead: %+v", ahead, one)
			}
		}
		stop()
		r.ahead.Store(int64(-25 * time.Second))
		if one := once(); one.Stage != Visible {
			t.Errorf("without a projector: %+v", one)
		}
		r.project()
		time.Sleep(time.Minute)
		r.ahead.Store(int64(time.Hour))
		if one := once(); one.Stage != "" {
			t.Errorf("with a clock that is an hour ahead: %+v", one)
		}
		r.ahead.Store(0)
		if one := once(); one.Stage != Post || !strings.Contains(one.Err.Error(), "ahead of this machine's clock") {
			t.Errorf("after an hour ahead: %+v", one)
		}
	})
}

// The conversation opens itself again where the table was replaced.
func TestCanaryOpensItsConversationAgain(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		r.project()
		r.consume()
		c := r.canary(nil)
		if one, err := c.Once(t.Context()); err != nil || one.Stage != "" {
			t.Fatalf("%+v, %v", one, err)
		}
		group, user := postroom.CanaryGroup("canary"), recipient("canary").UserUUID
		for _, pk := range []string{group, postroom.InboxKey(user), postroom.InboxKey(sender("canary").UserUUID)} {
			page, err := r.table().Query(t.Context(), backend.Query{PK: pk})
			if err != nil {
				t.Fatal(err)
			}
			var writes []backend.Write
			for _, it := range page.Items {
				writes = append(writes, backend.Write{Delete: backend.KeyOf(it)})
			}
			if _, _, err := r.table().BatchWrite(t.Context(), writes); err != nil {
				t.Fatal(err)
			}
		}
		if one, err := c.Once(t.Context()); err != nil || one.Stage != "" {
			t.Errorf("%+v, %v", one, err)
		}
		r.verify()
	})
}

// A canary that is stopped on its way is no failure.
func TestCanaryStopped(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		c := r.canary(nil)
		stop := r.run(c.Run)
		time.Sleep(5 * time.Second) // nobody projects
		stop()
		if len(r.took()) > 0 || r.log.count("\n") > 0 || len(r.states()) > 0 {
			t.Errorf("%v, logged: %s", r.results, r.log.text.String())
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := c.Once(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// A state that cannot be written holds nothing up, and is logged once.
func TestCanaryWithoutAState(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		r.project()
		r.run(r.canary(func(c *Config, _ *Options) {
			c.Handled = nil
			c.Control = backend.Intercept(c.Control, func(ctx context.Context, call *backend.TableCall, next func(context.Context) error) error {
				if call.Op == "Put" {
					return &backend.Error{Op: call.Op, Kind: backend.KindDenied}
				}
				return next(ctx)
			})
		}).Run)
		time.Sleep(3 * time.Minute)
		r.failedAt("")
		if r.log.count("writing the canary's state fails") != 1 {
			t.Errorf("logged: %s", r.log.text.String())
		}
	})
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{
		"Name":    {Name: "a/b"},
		"Every":   {Every: time.Millisecond},
		"Timeout": {Timeout: 2 * time.Hour},
	} {
		if _, err := New(Config{}, o); err == nil || !strings.Contains(err.Error(), "option "+name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := New(Config{}, Options{Name: strings.Repeat("n", 64), Every: 24 * time.Hour, Timeout: time.Second}); err != nil {
		t.Error(err)
	}
}
