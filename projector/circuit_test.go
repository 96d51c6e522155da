package projector

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
)

var errBroken = errors.New("broken")

// inWindow has a circuit end records: so many, set aside or not.
func inWindow(t *testing.T, test func(t *testing.T, c *circuit, aside func(n int) error)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, records := newCircuit(0.5), 0
		test(t, c, func(n int) error {
			for range n {
				records++
				if err := c.setAside(record(records), errBroken, func() error { return nil }); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

func record(n int) backend.Key { return backend.Key{PK: id(n), SK: "MSG#"} }

// TestS11CircuitLeast: fifty may be set aside whatever their share is; the next
// one opens the circuit, which tells it once and lets nothing through any more.
func TestS11CircuitLeast(t *testing.T) {
	inWindow(t, func(t *testing.T, c *circuit, aside func(int) error) {
		told := 0
		c.opened = func(*CircuitError) { told++ }
		if err := aside(50); err != nil {
			t.Fatal(err)
		}
		var open *CircuitError
		if err := aside(1); !errors.As(err, &open) || !errors.Is(err, errBroken) || open.SetAside != 50 || open.Handled != 50 {
			t.Fatalf("%v, want the circuit open", err)
		}
		c.projected(10_000)
		if err := aside(1); !errors.As(err, &open) || told != 1 {
			t.Errorf("%v, told %d times", err, told)
		}
	})
}

// TestS11CircuitShare: half of the last thousand may be set aside, no more.
func TestS11CircuitShare(t *testing.T) {
	inWindow(t, func(t *testing.T, c *circuit, aside func(int) error) {
		c.projected(5000) // of which the window holds a thousand
		if err := aside(500); err != nil {
			t.Fatal(err)
		}
		if share, _ := c.state(); share != 0.5 {
			t.Errorf("a share of %v, want a half", share)
		}
		if err := aside(1); err == nil {
			t.Error("the circuit stays closed above a half")
		}
	})
}

// TestS11CircuitPeriod: what is older than ten minutes does not count.
func TestS11CircuitPeriod(t *testing.T) {
	inWindow(t, func(t *testing.T, c *circuit, aside func(int) error) {
		for range 10 {
			if err := aside(50); err != nil {
				t.Fatal(err)
			}
			time.Sleep(circuitPeriod + time.Second)
		}
		if share, _ := c.state(); share != 0 {
			t.Errorf("a share of %v after ten minutes, want none", share)
		}
	})
}

// TestS11CircuitAttempts: an attempt to set aside that fails is no record that
// was, and several at once do not slip through together.
func TestS11CircuitAttempts(t *testing.T) {
	inWindow(t, func(t *testing.T, c *circuit, aside func(int) error) {
		for range 100 {
			if err := c.setAside(record(0), errBroken, func() error { return errStranger }); err != errStranger { //nolint:errorlint // the very same
				t.Fatal(err)
			}
		}
		var through atomic.Int32
		var all sync.WaitGroup
		for n := range 100 {
			all.Go(func() {
				_ = c.setAside(record(n), errBroken, func() error { time.Sleep(time.Second); through.Add(1); return nil })
			})
		}
		all.Wait()
		if n := through.Load(); n != circuitLeast {
			t.Errorf("%d were set aside, want %d", n, circuitLeast)
		}
	})
}

// TestS11CircuitSameRecord: a message that is set aside again, as the log's and as
// the stream's, is one.
func TestS11CircuitSameRecord(t *testing.T) {
	inWindow(t, func(t *testing.T, c *circuit, aside func(int) error) {
		for range 10 * circuitLeast {
			if err := c.setAside(record(0), errBroken, func() error { return nil }); err != nil {
				t.Fatal(err)
			}
		}
		if err := aside(circuitLeast - 1); err != nil {
			t.Error(err)
		}
		if err := c.setAside(record(0), errBroken, func() error { return nil }); err != nil {
			t.Errorf("what is aside already opens the circuit: %v", err)
		}
	})
}

// broken makes moves fail of every so many-th conversation, as a fault in the
// program would.
func (r *rig) broken(kind backend.Kind, every int) {
	r.table.set(func() {
		r.table.onTransact = func(actions []backend.Action) error {
			var n int
			if _, err := fmt.Sscanf(backend.KeyOf(actions[0].Put).PK, id(0)[:24]+"%d", &n); err != nil {
				return err
			}
			if n%every == 0 {
				return failure(kind)
			}
			return nil
		}
	})
}

// opens waits for the projector to end since its circuit opened.
func (r *rig) opens() *CircuitError {
	r.t.Helper()
	var open *CircuitError
	select {
	case err := <-r.ended:
		if !errors.As(err, &open) {
			r.t.Fatalf("Run: %v", err)
		}
	case <-time.After(10 * time.Minute):
		r.end()
		r.t.Fatal("the circuit stays closed")
	}
	return open
}

// TestS11CircuitOpens: when everything would be set aside it is not the records
// that are broken. The projector stops with an error that says so, and once the
// fault is mended the next one projects all but the few that were set aside.
func TestS11CircuitOpens(t *testing.T) {
	for _, kind := range []backend.Kind{backend.KindInvalid, backend.KindUnknown} {
		t.Run(kind.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				const conversations = 200
				r.broken(kind, 1)
				for n := range conversations {
					r.post(conversationOf(n, 2, 3)...)
				}
				r.run()
				if open := r.opens(); open.SetAside != circuitLeast || backend.KindOf(open.Last) != kind {
					t.Errorf("Run: %v", open)
				}
				r.wantAside(circuitLeast, kind.String())
				if log := r.log.String(); strings.Count(log, "the projector stops") != 1 || !strings.Contains(log, "level=ERROR") {
					t.Errorf("the log:\n%s", log)
				}
				if s := r.p.Stats(); s.Projected != 0 || s.CircuitShare != 1 {
					t.Errorf("%+v", s)
				}
				r.table.set(func() { r.table.onTransact = nil })
				r.p = New(r.config(), r.p.opts)
				r.run()
				defer r.end()
				r.settled()
				r.wantAside(circuitLeast, kind.String())
				aside := r.setAside()
				for n := range conversations {
					var last []postroom.Message
					for _, m := range conversationOf(n, 2, 3) {
						if !aside[backend.Key{PK: m.GroupUUID, SK: m.Key()}] {
							last = append(last, m)
						}
					}
					if len(last) > 0 {
						r.wantLast(last[len(last)-1], 2)
					}
				}
				if got := r.recipientsTold(); got != conversations*3 {
					t.Errorf("%d notifications, want %d", got, conversations*3)
				}
			})
		})
	}
}

// setAside are the keys of the messages that are set aside.
func (r *rig) setAside() map[backend.Key]bool {
	keys := map[backend.Key]bool{}
	for _, item := range r.store.Items("control") {
		if strings.HasPrefix(backend.KeyOf(item).PK, asidePrefix) {
			keys[backend.Key{PK: backend.Text(item, attrRecordPK), SK: backend.Text(item, attrRecordSK)}] = true
		}
	}
	return keys
}

// recipientsTold counts notifications, each once however often it was sent.
func (r *rig) recipientsTold() int {
	ids := map[string]bool{}
	for _, e := range r.store.Sent("q.fifo") {
		ids[e.DeduplicationID] = true
	}
	return len(ids)
}

// TestS11CircuitStaysClosed while fewer than half cannot be projected.
func TestS11CircuitStaysClosed(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.broken(backend.KindInvalid, 3)
		r.run()
		defer r.end()
		for n := range 360 {
			r.post(conversationOf(n, 2, 1)...)
		}
		r.settled()
		r.wantAside(120, "invalid request")
		if s := r.p.Stats(); s.Projected != 240 || s.CircuitShare < 0.33 || s.CircuitShare > 0.34 {
			t.Errorf("%+v", s)
		}
	})
}

// TestS11CircuitAndDamagedRecords: what does not decode counts, and is not
// acknowledged once the circuit is open.
func TestS11CircuitAndDamagedRecords(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		for n := range 2 * circuitLeast {
			item := conversationOf(n, 2, 1)[0].Item()
			delete(item, "message")
			r.put(item)
		}
		r.run()
		r.opens()
		r.wantAside(circuitLeast, "message is missing")
		o := r.p.opts
		o.MaxSetAside = 1 // the records are what is broken
		r.p = New(r.config(), o)
		r.run()
		defer r.end()
		r.settled()
		r.wantAside(2*circuitLeast, "message is missing")
	})
}

// TestS11CircuitAndMissingMembers: messages that wait for the one that opens
// their conversation come back by themselves and do not count.
func TestS11CircuitAndMissingMembers(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.run()
		defer r.end()
		for n := range 2 * circuitLeast {
			r.post(conversationOf(n, 2, 2)[1])
		}
		r.settled()
		r.wantAside(2*circuitLeast, errNoMembers.Error())
		if s := r.p.Stats(); s.CircuitShare != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestMaxSetAsideIsChecked(t *testing.T) {
	t.Parallel()
	for _, share := range []float64{-0.1, 1.1} {
		p := New(Config{}, Options{MaxSetAside: share})
		if err := p.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "MaxSetAside is "+fmt.Sprint(share)) {
			t.Errorf("%v: %v", share, err)
		}
	}
}
