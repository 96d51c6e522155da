package canary

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/backendtest"
	"github.com/postroom/postroom/backend/local"
	"github.com/postroom/postroom/consumer"
	"github.com/postroom/postroom/consumer/dedup"
	"github.com/postroom/postroom/deploy"
	"github.com/postroom/postroom/producer"
	"github.com/postroom/postroom/projector"
	"github.com/postroom/postroom/projector/verify"
)

const (
	table = "postroom"
	queue = "notifications.fifo"
)

// rig is a pipeline on a backend in memory, in virtual time. Calls can be made to fail.
type rig struct {
	t       *testing.T
	backend backend.Backend
	fault   atomic.Pointer[func(backendtest.Call) backend.Kind]
	ahead   atomic.Int64 // of the clock of messages
	log     logged

	mu      sync.Mutex
	results []Result

	projector *projector.Projector
	stop      []func()
}

// logged keeps what was logged.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *logged) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), what)
}

func inRig(t *testing.T, story func(*testing.T, *rig)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t}
		store, err := local.Open(local.Memory, local.Options{})
		if err != nil {
			t.Fatal(err)
		}
		r.backend = backendtest.Faulty(store, func(_ context.Context, call backendtest.Call) backendtest.Fault {
			if fault := r.fault.Load(); fault != nil {
				return backendtest.Fault{Kind: (*fault)(call)}
			}
			return backendtest.Fault{}
		})
		if _, err := deploy.Provision(t.Context(), store, deploy.Options{Table: table, Queue: queue, Index: true}); err != nil {
			t.Fatal(err)
		}
		story(t, r)
		r.fault.Store(nil)
		for _, stop := range r.stop {
			stop()
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
}

// run runs a daemon, and returns what stops it.
func (r *rig) run(daemon func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- daemon(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			r.t.Error(err)
		}
	})
	r.stop = append(r.stop, stop)
	return stop
}

func (r *rig) table() backend.Table { return r.backend.Table(table) }

func (r *rig) control() backend.Table { return r.backend.Table(postroom.ControlTable(table)) }

// project starts a projector.
func (r *rig) project() (stop func()) {
	r.projector = projector.New(projector.Config{
		Table: r.table(), Control: r.control(), Stream: r.backend.Stream(table), Queue: r.backend.Queue(queue),
		QueueName: queue, TableName: table, Index: true,
	}, projector.Options{})
	return r.run(r.projector.Run)
}

// consume starts a consumer that remembers in the table what it has handled.
func (r *rig) consume() (stop func()) {
	next := consumer.HandlerFunc(func(context.Context, backend.Delivery) error { return nil })
	h, err := dedup.New(next, dedup.NewTable(r.control()), func(d backend.Delivery) (string, error) {
		n, err := postroom.DecodeNotification(d.Body)
		return n.ID, err
	}, dedup.Options{})
	if err != nil {
		r.t.Fatal(err)
	}
	w, err := consumer.New(r.backend.Queue(queue), h, consumer.Options{})
	if err != nil {
		r.t.Fatal(err)
	}
	return r.run(w.Run)
}

// canary makes one; change its configuration and options.
func (r *rig) canary(change func(*Config, *Options)) *Canary {
	r.t.Helper()
	now := func() time.Time { return time.Now().Add(time.Duration(r.ahead.Load())) }
	c := Config{
		Table: r.table(), Control: r.control(), Producer: producer.New(r.table(), producer.Options{Now: now}),
		Handled: func(ctx context.Context, id string) (bool, error) {
			claim, err := dedup.NewTable(r.control()).Look(ctx, id)
			return claim.State == dedup.Done, err
		},
	}
	o := Options{Now: now, Logger: slog.New(slog.NewTextHandler(&r.log, nil)), Report: func(one Result) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.results = append(r.results, one)
	}}
	if change != nil {
		change(&c, &o)
	}
	made, err := New(c, o)
	if err != nil {
		r.t.Fatal(err)
	}
	return made
}

// took returns the results since it was called last.
func (r *rig) took() []Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.results
	r.results = nil
	return all
}

// down makes calls fail from now on, named by operation and table.
func (r *rig) down(calls ...string) {
	fault := func(call backendtest.Call) backend.Kind {
		for _, one := range calls {
			if one == call.Op+" "+call.Name {
				return backend.KindUnavailable
			}
		}
		return backend.KindUnknown
	}
	r.fault.Store(&fault)
}

func (r *rig) up() { r.fault.Store(nil) }

// failedAt expects the stage at which all the results since the last call failed.
func (r *rig) failedAt(stage Stage) {
	r.t.Helper()
	all := r.took()
	if len(all) == 0 {
		r.t.Errorf("there was no canary")
	}
	for _, one := range all {
		if one.Stage != stage || (one.Err != nil) != (stage != "") {
			r.t.Errorf("a canary failed at %q with %v, want %q", one.Stage, one.Err, stage)
		}
	}
}

// states returns what is remembered.
func (r *rig) states() []State {
	r.t.Helper()
	all, damaged, err := ReadStates(context.Background(), r.control(), time.Now())
	if err != nil || len(damaged) > 0 {
		r.t.Fatal(damaged, err)
	}
	return all
}

// messages returns the canary's messages, the oldest first.
func (r *rig) messages(name string) (all []postroom.Message) {
	r.t.Helper()
	page, err := r.table().Query(context.Background(), backend.Query{PK: postroom.CanaryGroup(name), SKPrefix: postroom.MessagePrefix})
	if err != nil || page.Last != nil {
		r.t.Fatal(page.Last, err)
	}
	for _, it := range page.Items {
		m, err := postroom.MessageFromItem(it)
		if err != nil {
			r.t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

// verify expects that the projection agrees with the log.
func (r *rig) verify() {
	r.t.Helper()
	_, err := verify.Run(context.Background(), r.table(), verify.Options{Index: true, Found: func(d verify.Difference) {
		r.t.Errorf("%+v", d)
	}})
	if err != nil {
		r.t.Fatal(err)
	}
}
