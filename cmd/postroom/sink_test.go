package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
)

// hook is a receiver of webhooks that answers with a status.
type hook struct {
	*httptest.Server

	mu       sync.Mutex
	status   int
	received []postroom.Notification
	signed   int
}

func newHook(t *testing.T, status int) *hook {
	t.Helper()
	h := &hook{status: status}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var n postroom.Notification
		h.mu.Lock()
		defer h.mu.Unlock()
		if err := json.Unmarshal(body, &n); err == nil && r.Header.Get("Webhook-Id") == n.ID {
			h.received = append(h.received, n)
		}
		h.signed += strings.Count(r.Header.Get("Webhook-Signature"), "v1,")
		w.WriteHeader(h.status)
	}))
	t.Cleanup(h.Close)
	return h
}

func (s *shell) hookArgs(h *hook, more ...string) []string {
	secrets := s.file("secrets", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3\nwhsec_NzY1NDMyMTBmZWRjYmE5ODc2NTQzMjEw\n")
	return append([]string{
		"consume", "--until-idle", "--idle-after", "50ms", "--sink", "webhook", "--webhook-url", h.URL + "/in",
		"--webhook-secret-file", secrets, "--webhook-allow-private",
	}, more...)
}

func TestQ14ConsumeToAWebhook(t *testing.T) {
	t.Parallel()
	s, h := newShell(t), newHook(t, http.StatusNoContent)
	s.ok("post", "--from", ada, "--to", bob, "--message", "Hello")
	s.ok("project", "--until-idle", "--idle-after", "50ms")
	if out := s.ok(s.hookArgs(h)...); out != "" {
		t.Errorf("consume printed %s", out)
	}
	if len(h.received) != 1 || h.received[0].Subject != bob || h.signed != 2 {
		t.Errorf("received %+v with %d signatures", h.received, h.signed)
	}
}

// What the receiver refuses for good is a dead letter at once, with the reason.
func TestQ14RefusedByAWebhook(t *testing.T) {
	t.Parallel()
	s, h := newShell(t), newHook(t, http.StatusUnprocessableEntity)
	s.ok("post", "--from", ada, "--to", bob, "--message", "Hello")
	s.ok("project", "--until-idle", "--idle-after", "50ms")
	r := s.run(s.hookArgs(h)...)
	if r.code != exitFailed || !strings.Contains(r.stderr, "postroom redrive") || len(h.received) != 1 {
		t.Errorf("consume: %+v, received %d times", r, len(h.received))
	}
	if out := s.ok("redrive", "--dry-run", "--json", "--filter", "reason=422"); !strings.Contains(out, `"moved":1`) {
		t.Errorf("redrive --dry-run: %s", out)
	}
}

// A notification that was sent twice, with hours between that the queue does not
// remember, is delivered once.
func TestQ12ConsumeDropsRepetitions(t *testing.T) {
	t.Parallel()
	for store, want := range map[string]int{"memory": 1, "table": 1, "off": 2} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			s := newShell(t)
			s.ok("provision")
			m := postroom.Message{GroupUUID: postroom.PairUUID(ada, bob), MessageUUID: chloe, UserUUID: ada, Text: "Hello"}
			body := postroom.NewNotification("postroom", m, bob).Encode()
			for _, id := range []string{"first", "hours-later"} {
				s.onQueue(defaultQueue, func(q backend.Queue) error {
					failed, err := q.Send(t.Context(), []backend.SendEntry{{Body: body, GroupID: bob, DeduplicationID: id}})
					if len(failed) > 0 {
						err = failed[0]
					}
					return err
				})
			}
			args := []string{"consume", "--until-idle", "--idle-after", "50ms", "--dedup", store}
			if out := s.ok(args...); strings.Count(out, "\n") != want {
				t.Errorf("delivered: %s", out)
			}
		})
	}
}
