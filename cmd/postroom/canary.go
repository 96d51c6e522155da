package main

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/canary"
	"github.com/postroom/postroom/consumer/dedup"
	"github.com/postroom/postroom/producer"
	"github.com/postroom/postroom/stream"
)

// canaryOptions are the flags of canary.
type canaryOptions struct {
	name    string
	every   time.Duration
	timeout time.Duration
	until   string
	once    bool
	addr    string
}

// The values of --until.
const (
	untilVisible   = "visible"
	untilDelivered = "delivered"
)

func newCanary(p process, g *global) *cobra.Command {
	var o canaryOptions
	cmd := &cobra.Command{
		Use:   "canary",
		Short: "Post a message every so often, and measure how long it takes",
		Long: `Posts a message every so often as a producer does, into a conversation of its own
whose members are nobody, and measures how long it takes until the message is
visible in an inbox and until a consumer has handled its notification. Prints a
line for each. Start it where producers run; it goes on when a message does not
arrive.

Whether a notification was handled is seen in the control table, so it takes
consumers with --dedup table. Where there are none, give --until visible. The
sink gets no canary.

With --once it posts one, and the exit code says whether it has arrived.`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(cmd.Flags().Changed); err != nil {
				return err
			}
			return withApp(cmd.Context(), p, g, need{tables: true, daemon: true, addr: o.addr}, func(ctx context.Context, a *app) error {
				return a.canary(ctx, o)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.name, "name", "canary", "name of the canary: each has a conversation, and several processes may share one")
	f.DurationVar(&o.every, "every", time.Minute, "the time from one message to the next, at least a second")
	f.DurationVar(&o.timeout, "timeout", 30*time.Second, "how long a message may take to arrive, at least a second")
	f.StringVar(&o.until, "until", untilDelivered, "how far a message has to come: visible or delivered")
	f.BoolVar(&o.once, "once", false, "post one message, and say with the exit code whether it has arrived")
	serverFlag(cmd, &o.addr)
	return cmd
}

func (o *canaryOptions) check(given func(flag string) bool) error {
	if o.until != untilVisible && o.until != untilDelivered {
		return usagef("--until is %q, must be %s or %s", o.until, untilVisible, untilDelivered)
	}
	for _, flag := range []string{"every", addrFlag} {
		if o.once && given(flag) {
			return usagef("--%s does nothing with --once", flag)
		}
	}
	if o.once {
		o.addr = "" // a variable may have set it
	}
	return nil
}

func (a *app) canary(ctx context.Context, o canaryOptions) error {
	now := a.serverClock(ctx)
	config := canary.Config{
		Table: a.table(), Control: a.control(),
		Producer: producer.New(a.table(), producer.Options{Now: now, TracerProvider: a.tracing}),
	}
	if o.until == untilDelivered {
		config.Handled = a.handled
	}
	var failed error
	c, err := canary.New(config, canary.Options{
		Name: o.name, Host: stream.WorkerName(), Every: o.every, Timeout: o.timeout, Now: now, Logger: a.log,
		Report: func(r canary.Result) {
			failed = errors.Join(r.Err, a.printCanary(canaryOf(o.name, r), o.until))
		},
	})
	if err != nil {
		return &usageError{err}
	}
	if o.once {
		if _, err := c.Once(ctx); err != nil {
			return err
		}
		return failed
	}
	server := a.httpServer(canaryReady(c), []prometheus.Collector{c.Collector(), a.unitsCollector()}...)
	return runUntil(ctx, nil, c.Run, server)
}

// handled reports whether consumers that share a table remember a notification as handled.
func (a *app) handled(ctx context.Context, notification string) (bool, error) {
	claim, err := dedup.NewTable(a.control()).Look(ctx, a.handledID(postroom.Notification{ID: notification}))
	return claim.State == dedup.Done, err
}

// canaryReady is ready while canaries arrive.
func canaryReady(c *canary.Canary) readiness {
	return func() string {
		why, begun := c.Failing()
		if !begun {
			return "starting: no canary has arrived yet"
		}
		return why
	}
}

// canaryJSON is what became of one canary.
type canaryJSON struct {
	Name        string   `json:"name"`
	GroupUUID   string   `json:"message_group_uuid"`
	MessageUUID string   `json:"message_uuid,omitempty"`
	PostedAt    string   `json:"posted_at,omitempty"`
	Visible     *float64 `json:"visible_seconds"`   // null: it was not
	Delivered   *float64 `json:"delivered_seconds"` // null: it was not, or that is not known
	Stage       string   `json:"failed,omitempty"`  // the first stage that it did not reach
	Error       string   `json:"error,omitempty"`
}

func canaryOf(name string, r canary.Result) canaryJSON {
	out := canaryJSON{
		Name: name, GroupUUID: postroom.CanaryGroup(name), MessageUUID: r.MessageUUID, PostedAt: formatTime(r.PostedAt),
		Visible: secondsOf(r.Visible), Delivered: secondsOf(r.Delivered), Stage: string(r.Stage),
	}
	if r.Err != nil {
		out.Error = r.Err.Error()
	}
	return out
}

// secondsOf returns a time that was measured, nil if it was not.
func secondsOf(d time.Duration) *float64 {
	if d == 0 {
		return nil
	}
	s := d.Seconds()
	return &s
}

// printCanary prints one line. Why a canary failed is in the log, or the command's error.
func (a *app) printCanary(c canaryJSON, until string) error {
	return a.print(c, "%s  %s\n", c.PostedAt, c.text(until == untilDelivered))
}

// text says what became of a canary, for people. Delivers says that it waits for the
// delivery too.
func (c canaryJSON) text(delivers bool) string {
	visible, delivered := "not visible", "not delivered"
	if c.Stage == string(canary.Post) {
		return "not posted"
	}
	if c.Visible != nil {
		visible = "visible after " + briefSeconds(*c.Visible)
	}
	switch {
	case c.Delivered != nil:
		delivered = "delivered after " + briefSeconds(*c.Delivered)
	case !delivers:
		delivered = "delivered: not known, --until visible"
	}
	return visible + ", " + delivered
}

func briefSeconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(time.Millisecond).String()
}
