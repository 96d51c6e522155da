package canary

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/inbox"
	"github.com/postroom/postroom/internal/batch"
	"github.com/postroom/postroom/internal/incident"
	"github.com/postroom/postroom/internal/metric"
	"github.com/postroom/postroom/internal/option"
	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/producer"
)

// Config has what a canary needs.
type Config struct {
	Table, Control backend.Table
	// Producer posts, by the clock Now.
	Producer *producer.Producer
	// Handled reports whether the consumers remember a notification as handled. Nil: they
	// cannot be asked, and a canary has arrived once it is visible.
	Handled func(ctx context.Context, notificationID string) (bool, error)
}

// Options of a [Canary]. Zero means the default.
type Options struct {
	// Name is that of the conversation: 1 to 64 letters, digits, hyphens, underscores and
	// periods. Default "canary".
	Name string
	// Host says who posts, for people. Default: nothing.
	Host string
	// Every is the time from one canary to the next, from 1 s to 24 h. Default 1 m. A
	// canary that takes longer holds the next one up.
	Every time.Duration
	// Timeout is how long a canary may take, from 1 s to 1 h. Default 30 s.
	Timeout time.Duration
	// Now is the clock of messages. Default time.Now.
	Now func() time.Time
	// Report is called with each canary's result. Default: none.
	Report func(Result)
	// Logger receives when canaries begin to fail, and when they arrive again. Default:
	// none.
	Logger *slog.Logger
}

const maxEvery = 24 * time.Hour

var names = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

func (o Options) withDefaults() (Options, error) {
	option.Default(&o.Name, "canary")
	option.Default(&o.Every, time.Minute)
	option.Default(&o.Timeout, 30*time.Second)
	option.Default(&o.Logger, slog.New(slog.DiscardHandler))
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Report == nil {
		o.Report = func(Result) {}
	}
	if !names.MatchString(o.Name) {
		return o, fmt.Errorf("canary: option Name is %.80q, must be 1 to 64 letters, digits, hyphens, underscores and periods", o.Name)
	}
	return o, errors.Join(
		option.Check("canary", "Every", o.Every, time.Second, maxEvery),
		option.Check("canary", "Timeout", o.Timeout, time.Second, time.Hour))
}

// Canary posts messages and follows them. Its methods may be used concurrently, except that
// only one call of Run or Once may be under way.
type Canary struct {
	c       Config
	o       Options
	table   batch.Table
	control batch.Table
	inbox   *inbox.Inbox
	opening postroom.Message

	incidents *incident.Log
	stages    map[Stage]*incident.Operation
	keeping   *incident.Operation // the state
	pruning   *incident.Operation

	visible, delivered metric.Latency

	mu    sync.Mutex // of what follows
	state State
	stats Stats
}

// New returns a canary. An option that is out of bounds is an error that names it.
func New(c Config, o Options) (*Canary, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	log := incident.NewLog(o.Logger)
	return &Canary{
		c: c, o: o, table: batch.NewTable(c.Table), control: batch.NewTable(c.Control), inbox: inbox.New(c.Table),
		opening:   opening(o.Name),
		incidents: log,
		stages: map[Stage]*incident.Operation{
			Post: log.Operation("posting the canary"), Visible: log.Operation("projecting the canary"), Delivered: log.Operation("delivering the canary"),
		},
		keeping: log.Operation("writing the canary's state"),
		pruning: log.Operation("removing old canaries"),
		state:   State{Name: o.Name, Session: uuid.NewString(), Host: o.Host, Every: o.Every, Delivers: c.Handled != nil},
		stats:   Stats{Failures: map[Stage]int64{Post: 0, Visible: 0, Delivered: 0}},
	}, nil
}

// Run posts canaries until ctx is done, and then returns nil. A canary that fails is
// counted, and the next one goes on.
func (c *Canary) Run(ctx context.Context) error {
	defer c.incidents.Close()
	for ctx.Err() == nil {
		begun := time.Now()
		r, err := c.Once(ctx)
		if err != nil {
			break
		}
		c.log(ctx, r)
		c.keep(ctx)
		if r.Visible > 0 {
			c.prune(ctx, r)
		}
		if retry.Sleep(ctx, c.o.Every-time.Since(begun), nil) != nil {
			break
		}
	}
	c.forget(ctx)
	return nil
}

// Once posts one canary and follows it until it has arrived or its time is up. The error
// is that of ctx, if that is done before; what becomes of the canary is in the result.
func (c *Canary) Once(ctx context.Context) (Result, error) {
	r := c.send(ctx)
	if ctx.Err() != nil {
		return r, context.Cause(ctx)
	}
	c.note(r)
	c.o.Report(r)
	return r, nil
}

// log logs where an incident begins or ends.
func (c *Canary) log(ctx context.Context, r Result) {
	for stage, operation := range c.stages {
		if stage == r.Stage {
			operation.Failed(ctx, c.o.Name, r.Err)
		} else {
			operation.Succeeded(c.o.Name)
		}
	}
}

// note counts a result.
func (c *Canary) note(r Result) {
	var start time.Time
	if r.Visible > 0 {
		c.visible.Since(start, start.Add(r.Visible))
	}
	if r.Delivered > 0 {
		c.delivered.Since(start, start.Add(r.Delivered))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Stage != Post {
		c.stats.Posted++
	}
	if r.Stage != "" {
		c.stats.Failures[r.Stage]++
	}
	c.state.add(r, c.o.Now(), c.o.Timeout)
	c.stats.InARow = c.state.InARow
}

// Failing returns why the last canary has not arrived; "": it has. Before the first one
// begun is false.
func (c *Canary) Failing() (why string, begun bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state.Last.Error, !c.state.UpdatedAt.IsZero()
}

// Stats counts what became of a process's canaries.
type Stats struct {
	Posted   int64           `metric:"postroom_canary_posted_total" help:"Canaries whose message the table has accepted."`
	Failures map[Stage]int64 `metric:"postroom_canary_failures_total" label:"stage" help:"Canaries that have not arrived in time, by the first stage that they did not reach: post, visible or delivered."`
	InARow   int             `metric:"postroom_canary_failures_in_a_row" help:"Canaries that have failed since the last one that arrived."`

	VisibleAfter   metric.Histogram `metric:"postroom_canary_visible_seconds" help:"Time from the posting of a canary until its recipient's inbox shows it."`
	DeliveredAfter metric.Histogram `metric:"postroom_canary_delivered_seconds" help:"Time from the posting of a canary until a consumer has handled its notification."`
}

// Collector shows the canary's metrics.
func (c *Canary) Collector() prometheus.Collector {
	return metric.Struct(func() Stats {
		c.mu.Lock()
		defer c.mu.Unlock()
		s := c.stats
		s.Failures = maps.Clone(s.Failures)
		s.VisibleAfter, s.DeliveredAfter = c.visible.Histogram(), c.delivered.Histogram()
		return s
	})
}
