package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/postroom/postroom"
)

// TestF10PostKnowsThatItsClockIsWrong: this machine's clock is three hours ahead of the
// server's, or behind it. It is said, a message gets the server's time, and one that was
// stamped by the wrong clock is refused.
func TestF10PostKnowsThatItsClockIsWrong(t *testing.T) {
	awsAt(t)
	for side, ahead := range map[string]time.Duration{"ahead of": 3 * time.Hour, "behind": -3 * time.Hour} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/x-amz-json-1.0")
			w.Header().Set("Date", time.Now().Add(-ahead).UTC().Format(http.TimeFormat))
			_, _ = w.Write([]byte("{}"))
		}))
		defer server.Close()
		s := newShell(t)
		post := func(args ...string) result {
			return s.run(append(args, "--json", "--backend", "aws", "--region", "eu-west-1", "--endpoint-url", server.URL)...)
		}
		r := post("post", "--from", ada, "--to", bob, "--message", "Hello")
		var m postroom.Message
		if err := m.UnmarshalJSON([]byte(strings.TrimSpace(r.stdout))); err != nil || r.code != exitDone {
			t.Fatalf("%+v: %v", r, err)
		}
		if off := time.Now().Add(-ahead).Sub(m.CreatedAt).Abs(); off > 10*time.Minute {
			t.Errorf("%s: the message is at %s, %s from the server's time", side, m.CreatedAt, off)
		}
		if want := "clock is 3h0m0s " + side + " the server's"; !strings.Contains(roundHours(r.stderr), want) {
			t.Errorf("%q, want %q", r.stderr, want)
		}
		stamped := message(t, func(m *postroom.Message) { m.CreatedAt = time.Now().Truncate(time.Second) })
		r = post("post", "--file", s.file("stamped.jsonl", stamped))
		if refused := ahead > 0; refused != (r.code == exitFailed) || refused != strings.Contains(r.stderr, "line 1: ") {
			t.Errorf("%s: a message stamped by the wrong clock: %+v", side, r)
		}
	}
}

// roundHours allows for a second's difference in what is said.
func roundHours(s string) string {
	for _, near := range []string{"2h59m59s", "2h59m58s", "3h0m1s", "3h0m2s"} {
		s = strings.ReplaceAll(s, near, "3h0m0s")
	}
	return s
}
