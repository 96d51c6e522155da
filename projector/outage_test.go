package projector

import (
	"context"
	"math/rand/v2"
	"regexp"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/backendtest"
	"github.com/postroom/postroom/internal/sim"
)

// simulated is a rig's store as a backend.
type simulated struct {
	backend.Backend
	*sim.Store
}

func (s simulated) Table(name string) backend.Table    { return s.Store.Table(name) }
func (s simulated) Stream(table string) backend.Stream { return s.Store.Stream(table) }
func (s simulated) Queue(name string) backend.Queue    { return s.Store.Queue(name) }

// TestOutageIsToldOfOnce: of each kind of work the log says once that it fails
// and once that it works again, however many conversations, recipients, shards
// and attempts it concerns. Where some of the calls get through it may say so
// whenever nothing has failed for a while.
func TestOutageIsToldOfOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		of100, most int
	}{{"all calls fail", 100, 1}, {"half of them", 50, 4}, {"one in ten", 10, 4}} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				var down atomic.Bool
				server := backendtest.Faulty(simulated{Store: r.store}, func(context.Context, backendtest.Call) backendtest.Fault {
					if down.Load() && rand.IntN(100) < c.of100 {
						return backendtest.Fault{Kind: backend.KindUnavailable}
					}
					return backendtest.Fault{}
				})
				config := r.config()
				config.Table, config.Control = server.Table("t"), server.Table("control")
				config.Stream, config.Queue = server.Stream("t"), server.Queue("q.fifo")
				r.p = New(config, r.options)
				r.run()
				defer r.end()
				time.Sleep(5 * time.Second)
				for n := range 60 { // a second each
					down.Store(n >= 10 && n < 50)
					r.post(conversationOf(n, 5, 3)...)
					time.Sleep(time.Second)
				}
				r.settled()
				for n := range 60 {
					r.wantLast(conversationOf(n, 5, 3)[2], 5)
				}
				time.Sleep(10 * time.Second)                      // of calm
				begun, over := map[string]int{}, map[string]int{} // by operation
				for _, m := range regexp.MustCompile(`msg="([^"]*) (fails, trying|works) again"`).FindAllStringSubmatch(r.log.String(), -1) {
					if m[2] == "works" {
						over[m[1]]++
					} else {
						begun[m[1]]++
					}
				}
				for operation, n := range begun {
					if n > c.most || over[operation] != n {
						t.Errorf("%s: %d incidents begin and %d end", operation, n, over[operation])
					}
				}
				if begun["reading records"] == 0 {
					t.Error("no incident")
				}
				if t.Failed() {
					t.Log(r.log.String())
				}
			})
		})
	}
}
