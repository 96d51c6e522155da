package integration

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"
)

// receiver is a slow receiver of a webhook.
type receiver struct {
	*httptest.Server

	began chan struct{} // receives once for each request
}

func (w *world) receiver(takes time.Duration) *receiver {
	r := &receiver{began: make(chan struct{}, 1000)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			return
		}
		r.began <- struct{}{}
		time.Sleep(takes) // is what makes the receiver slow
		w.deliver(strings.TrimSpace(string(body)))
		answer.WriteHeader(http.StatusNoContent)
	}))
	w.t.Cleanup(r.Close)
	return r
}

// poster starts a consumer that posts to a receiver, and hides what it posts for
// five seconds at a time.
func (w *world) poster(r *receiver, args ...string) *process {
	environ := append(w.environ(w.server.url),
		"POSTROOM_WEBHOOK_URL="+r.URL, "POSTROOM_WEBHOOK_SECRET=whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3")
	args = append([]string{
		"consume", "--sink", "webhook", "--webhook-allow-private", "--webhook-timeout", "1m", "--visibility", "5s",
	}, args...)
	return spawn(w.t, w.program, "consumer", environ, func(line string) { w.t.Errorf("a consumer printed %q", line) }, args...)
}

// wantOnce checks that nothing was delivered twice.
func (w *world) wantOnce() {
	w.t.Helper()
	w.check()
	if deliveries, different := w.times(); deliveries != different {
		w.t.Errorf("%d notifications were delivered %d times", different, deliveries)
	}
}

// TestQ3SlowReceiver delivers notifications to a receiver that takes six times as
// long as their visibility timeout, with two consumers at the queue: each
// notification is delivered once.
func TestQ3SlowReceiver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, roomyServer(t), options{})
	slow := w.receiver(30 * time.Second)
	w.post(w.server.url, crowd(9, 1)...)
	w.ok("project", "--until-idle")
	for range 2 {
		w.poster(slow, "--dedup", "off")
	}
	w.settle()
	w.wantOnce()
}

// TestQ10StoppedWithASlowReceiver stops a consumer at work: it finishes what it has
// begun and releases the rest, and the counts of its last line add up.
func TestQ10StoppedWithASlowReceiver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, roomyServer(t), options{})
	slow := w.receiver(8 * time.Second)
	w.post(w.server.url, crowd(9, 1)...)
	w.ok("project", "--until-idle")
	first := w.poster(slow, "--dedup", "off", "--concurrency", "2", "--drain-timeout", "30s")
	for range 2 {
		<-slow.began
	}
	first.signal(syscall.SIGTERM)
	<-first.exited
	if first.err != nil {
		t.Errorf("told to stop: %v", first.err)
	}
	var last struct {
		Msg                                                       string
		Received, Delivered, Failed, Dropped, Duplicates, Deleted int
		Released                                                  int
		InFlight                                                  int `json:"in_flight"`
	}
	if err := json.Unmarshal([]byte(first.log.tail(1)), &last); err != nil || last.Msg != "consumer stopped" {
		t.Fatalf("its last line is: %s", first.log.tail(1))
	}
	delivered, _ := w.times()
	if last.Delivered != 2 || delivered != 2 || last.Deleted != 2 || last.InFlight != 0 ||
		last.Received != last.Delivered+last.Failed+last.Dropped+last.Duplicates+last.Released {
		t.Errorf("the counts do not add up, with %d delivered: %s", delivered, first.log.tail(1))
	}
	w.poster(slow, "--dedup", "table")
	w.settle()
	w.wantOnce()
}
