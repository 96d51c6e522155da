package main

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/consumer"
	"github.com/postroom/postroom/internal/terminal"
)

// A canary arrives through the daemons as they are, on both backends, and no sink gets it.
func TestCanary(t *testing.T) {
	emulators.Start(t)
	for _, on := range [][]string{{}, {"--backend", "aws", "--table", "canary", "--queue", "canary.fifo"}} {
		s := newShell(t)
		with := func(args ...string) []string { return append(args, on...) }
		s.ok(with("provision", "--deletion-protection=false")...)
		addr, stopProject := s.daemon(with("project")...)
		hook := newHook(t, http.StatusNoContent)
		secret := s.file("secret", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3\n")
		consumes, stopConsume := s.daemon(with("consume", "--dedup", "table", "--sink", "webhook",
			"--webhook-url", hook.URL, "--webhook-secret-file", secret, "--webhook-allow-private")...)
		var c canaryJSON
		if err := json.Unmarshal([]byte(s.ok(with("canary", "--once", "--json", "--timeout", "3m")...)), &c); err != nil {
			t.Fatal(err)
		}
		if c.Stage != "" || c.Error != "" || c.Visible == nil || c.Delivered == nil || *c.Visible <= 0 || *c.Delivered <= 0 ||
			c.GroupUUID != postroom.CanaryGroup("canary") || c.MessageUUID == "" || c.PostedAt == "" {
			t.Errorf("%v: %+v", on, c)
		}
		if out := s.ok(with("canary", "--once", "--timeout", "3m", "--name", "other", "--until", "visible")...); !strings.Contains(out, "  visible after ") ||
			!strings.Contains(out, "delivered: not known") {
			t.Errorf("%v: %s", on, out)
		}
		// A message of people is measured as before, and the sink gets that alone.
		s.ok(with("post", "--from", ada, "--to", bob, "--message", "Hello")...)
		awaitMetric(t, consumes, "postroom_delivered_seconds_count 1")
		awaitMetric(t, addr, "postroom_projector_visible_seconds_count 1")
		stopConsume()
		stopProject()
		hook.mu.Lock()
		if len(hook.received) != 1 {
			t.Errorf("%v: the webhook got %d notifications, want that of people alone", on, len(hook.received))
		}
		hook.mu.Unlock()
		if out := s.ok(with("verify")...); !strings.HasSuffix(out, ": 0 differences\n") {
			t.Errorf("%v: %s", on, out)
		}
		r := s.run(with("canary", "--once", "--timeout", "1s", "--json")...)
		if r.code != exitFailed || !strings.Contains(r.stdout, `"failed":"visible"`) || !strings.Contains(r.stderr, "does not show the canary") {
			t.Errorf("%v: without a projector: %+v", on, r)
		}
		s.ok(with("destroy")...)
	}
}

// What canaries do is in the status until they are stopped, and its check.
func TestCanaryStatus(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	_, stopProject := s.daemon("project")
	defer stopProject()
	addr, stop := s.daemon("canary", "--every", "1s", "--timeout", "1m", "--until", "visible")
	awaitReady(t, addr)
	status := func() (out statusJSON, text string) {
		t.Helper()
		if err := json.Unmarshal([]byte(s.ok("status", "--json")), &out); err != nil {
			t.Fatal(err)
		}
		return out, s.ok("status")
	}
	awaitMetric(t, addr, "postroom_canary_failures_in_a_row 0")
	var out statusJSON
	var text string
	for deadline := time.Now().Add(time.Minute); len(out.Canaries) == 0 && time.Now().Before(deadline); { // it is written after the metrics
		out, text = status()
	}
	if len(out.Canaries) != 1 {
		t.Fatalf("%+v", out.Canaries)
	}
	one := out.Canaries[0]
	if one.Last.Name != "canary" || one.Last.Visible == nil || one.InARow != 0 || one.Until != untilVisible || one.Every != 1 || one.Overdue || one.Host == "" {
		t.Errorf("%+v", one)
	}
	if !strings.Contains(text, "\ncanary       canary of "+one.Host) || !strings.Contains(text, "delivered: not known") {
		t.Error(text)
	}
	stop()
	if out, text := status(); len(out.Canaries) != 0 || strings.Contains(text, "canary") {
		t.Errorf("%+v\n%s", out.Canaries, text)
	}
}

func TestCanaryInWords(t *testing.T) {
	t.Parallel()
	const first, last = "2026-05-21T10:30:00.000000Z", "2026-05-21T10:32:00.000000Z"
	arrived := canaryStateJSON{Host: "host:1", Until: untilDelivered, Last: canaryJSON{
		Name: "eu", PostedAt: last, Visible: secondsOf(120 * time.Millisecond), Delivered: secondsOf(1500 * time.Millisecond),
	}}
	fails := canaryStateJSON{Host: "host:1", Until: untilDelivered, InARow: 3, FailingSince: first, Last: canaryJSON{
		Name: "eu", PostedAt: last, Visible: secondsOf(120 * time.Millisecond), Stage: "delivered", Error: "why",
	}}
	denied, killed, visible := fails, arrived, arrived
	denied.Last.Stage, denied.Last.Visible, killed.Overdue = "post", nil, true
	visible.Until, visible.Last.Delivered = untilVisible, nil
	for _, c := range []struct {
		state canaryStateJSON
		want  string
	}{
		{arrived, "canary  eu of host:1, " + last + ": visible after 120ms, delivered after 1.5s\n"},
		{visible, "canary  eu of host:1, " + last + ": visible after 120ms, delivered: not known, --until visible\n"},
		{fails, "canary  eu of host:1, " + last + ": visible after 120ms, not delivered; FAILS since " + first + ", 3 in a row: why\n"},
		{denied, "canary  eu of host:1, " + last + ": not posted; FAILS since " + first + ", 3 in a row: why\n"},
		{killed, "canary  eu of host:1, " + last + ": visible after 120ms, delivered after 1.5s; and nothing since: was it killed?\n"},
	} {
		var table terminal.Table
		c.state.row(&table)
		var text strings.Builder
		if _, err := table.WriteTo(&text); err != nil || text.String() != c.want {
			t.Errorf("%v\n got %swant %s", err, text.String(), c.want)
		}
	}
}

// A canary's notification is settled, and neither given to the sink nor measured.
func TestCanaryIsNotDelivered(t *testing.T) {
	t.Parallel()
	var got []string
	s := &timed{next: consumer.HandlerFunc(func(_ context.Context, d backend.Delivery) error {
		got = append(got, d.Body)
		return nil
	})}
	m := postroom.Message{GroupUUID: postroom.CanaryGroup("canary"), UserUUID: ada, CreatedAt: time.Now()}
	people := m
	people.GroupUUID = postroom.PairUUID(ada, bob)
	for _, one := range []postroom.Message{m, people} {
		if err := s.Handle(t.Context(), backend.Delivery{Body: postroom.NewNotification("t", one, bob).Encode(), SentAt: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Handle(t.Context(), backend.Delivery{Body: "no notification"}); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || s.delivered.Histogram().Count != 1 {
		t.Errorf("the sink got %q, and %d were measured", got, s.delivered.Histogram().Count)
	}
}
