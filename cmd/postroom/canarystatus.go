package main

import (
	"context"
	"fmt"
	"time"

	"github.com/postroom/postroom/canary"
	"github.com/postroom/postroom/internal/terminal"
	"github.com/postroom/postroom/stream"
)

// canaryStateJSON is how the canaries of one process went.
type canaryStateJSON struct {
	Host  string  `json:"host"`
	Every float64 `json:"every_seconds"`
	// Until is visible where nobody asks whether they are delivered.
	Until     string     `json:"until"`
	UpdatedAt string     `json:"updated_at"`
	Overdue   bool       `json:"overdue"` // the next one should have come by now
	Last      canaryJSON `json:"last"`
	ArrivedAt string     `json:"arrived_at,omitempty"` // when the last that has arrived was posted
	// Of those that failed since. FailingSince is when the first of them was posted.
	FailingSince string `json:"failing_since,omitempty"`
	InARow       int    `json:"failures_in_a_row"`
}

// canaryStatus adds how the canaries of all processes went.
func (a *app) canaryStatus(ctx context.Context, out *statusJSON) ([]*stream.DamageError, error) {
	now := time.Now()
	states, damaged, err := canary.ReadStates(ctx, a.control(), now)
	out.Canaries = canariesOf(states, now)
	return damaged, err
}

func canariesOf(states []canary.State, now time.Time) []canaryStateJSON {
	out := []canaryStateJSON{}
	for _, s := range states {
		last := canaryOf(s.Name, canary.Result{
			MessageUUID: s.Last.MessageUUID, PostedAt: s.Last.PostedAt,
			Visible: s.Last.Visible, Delivered: s.Last.Delivered, Stage: s.Last.Stage,
		})
		last.Error = s.Last.Error
		one := canaryStateJSON{
			Host: s.Host, Every: s.Every.Seconds(), Until: untilVisible, UpdatedAt: formatTime(s.UpdatedAt), Overdue: now.After(s.DueAt),
			Last: last, ArrivedAt: formatTime(s.ArrivedAt), FailingSince: formatTime(s.FailingSince), InARow: s.InARow,
		}
		if s.Delivers {
			one.Until = untilDelivered
		}
		out = append(out, one)
	}
	return out
}

// row adds a line.
func (c canaryStateJSON) row(t *terminal.Table) {
	text := fmt.Sprintf("%s of %s, %s: %s", c.Last.Name, c.Host, c.Last.PostedAt, c.Last.text(c.Until == untilDelivered))
	if c.InARow > 0 {
		text += fmt.Sprintf("; FAILS since %s, %s in a row: %s", c.FailingSince, count(c.InARow), c.Last.Error)
	}
	if c.Overdue {
		text += "; and nothing since: was it killed?"
	}
	t.Row("canary", text)
}

// failing reports whether canaries do not arrive, as far as one knows that still posts.
func (c canaryStateJSON) failing() bool { return c.InARow > 0 && !c.Overdue }
