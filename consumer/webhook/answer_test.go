package webhook

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestQ14EveryAnswerHasItsRule(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		statuses []int
		headers  []string
		asked    string
		outcome  Outcome
	}{
		{[]int{200, 201, 202, 204, 299}, nil, "done", Delivered},
		{[]int{400, 413, 415, 422}, nil, toDeadLetters, Refused},
		{[]int{410}, nil, toDeadLetters, Gone},
		{[]int{429}, nil, "to be retried in 10s", Throttled},
		{[]int{429}, []string{"Retry-After", "soon"}, "to be retried in 10s", Throttled},
		{[]int{429, 503}, []string{"Retry-After", "7"}, "to be retried in 7s", Throttled},
		{[]int{429, 503}, []string{"Retry-After", "0"}, "to be retried in 1s", Throttled},
		{[]int{429, 503}, []string{"Retry-After", "86400"}, "to be retried in 1h0m0s", Throttled},
		{[]int{503}, nil, "fails", ServerError},
		{[]int{503}, []string{"Retry-After", "-1"}, "fails", ServerError},
		{[]int{401, 403, 404, 405, 408, 409, 418, 425, 451, 499}, nil, "fails", ClientError},
		{[]int{500, 501, 502, 504, 599, 600, 999}, nil, "fails", ServerError},
		{[]int{500, 404}, []string{"Retry-After", "7"}, "fails", ""},
		{[]int{300, 304, 305}, nil, "fails", Redirected},
	} {
		for _, status := range test.statuses {
			t.Run(fmt.Sprint(status, test.headers), func(t *testing.T) {
				t.Parallel()
				server := receiver(t, answers(status, test.headers...))
				s := newSink(t, server.URL, Options{})
				err := handle(t.Context(), s, event)
				if f := asked(err); f != test.asked {
					t.Errorf("%s, want %s: %v", f, test.asked, err)
				}
				if n := s.Stats().Messages[test.outcome]; n != 1 && test.outcome != "" {
					t.Errorf("not counted as %s: %v", test.outcome, s.Stats().Messages)
				}
				if err != nil && !strings.Contains(err.Error(), fmt.Sprint("answered ", status)) {
					t.Errorf("does not say what was answered: %v", err)
				}
			})
		}
	}
}

// An answer that upgrades the connection is none, and nobody waits on it.
func TestQ14SwitchingProtocols(t *testing.T) {
	t.Parallel()
	server := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		hungUp(c)
	})
	s := newSink(t, server.URL, Options{})
	wants(t, s, handle(t.Context(), s, event), "fails", ServerError)
}

func TestQ14RetryAfterADate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		at := time.Now().Add(90 * time.Second).UTC()
		s := inMemory(t, Options{}, served(answers(503, "Retry-After", at.Format(http.TimeFormat))))
		wants(t, s, handle(t.Context(), s, event), "to be retried in 1m30s", Throttled)
		s.Close()
	})
}

func TestQ14ErrorQuotesTheAnswer(t *testing.T) {
	t.Parallel()
	server := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnprocessableEntity)
		io.WriteString(w, "{\"error\":\n\t\"no\x1b[31m such\u202e \xffuser\"}"+strings.Repeat(" and so on", 100))
	})
	s := newSink(t, server.URL, Options{})
	err := handle(t.Context(), s, event)
	want := `answered 422 Unprocessable Entity: "{\"error\": \"no [31m such �user\"} and so on`
	if err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 400 {
		t.Errorf("the error: %v\nwant in it: %s", err, want)
	}
}

// A receiver that wants no more events gets none, and every message says why.
func TestQ14GoneDisables(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		requests := 0
		log, logger := newLog()
		s := inMemory(t, Options{Logger: logger}, served(func(w http.ResponseWriter, r *http.Request) {
			requests++
			w.WriteHeader(http.StatusGone)
			io.WriteString(w, "moved away")
		}))
		defer s.Close()
		if err := s.Disabled(); err != nil {
			t.Errorf("disabled before: %v", err)
		}
		at := time.Now()
		wants(t, s, handle(t.Context(), s, event), toDeadLetters, Gone)
		time.Sleep(time.Hour)
		for range 3 {
			err := handle(t.Context(), s, event)
			wants(t, s, err, toDeadLetters, Disabled)
			gone, ok := errors.AsType[*GoneError](err)
			if !ok || !gone.At.Equal(at) || !strings.Contains(gone.Reason, `410 Gone: "moved away"`) {
				t.Errorf("the reason: %v", err)
			}
		}
		if requests != 1 {
			t.Errorf("%d requests", requests)
		}
		if err := s.Disabled(); err == nil || !s.Stats().Disabled {
			t.Error("not disabled")
		}
		if out := log.String(); strings.Count(out, "level=ERROR") != 1 || strings.Count(out, "\n") != 1 {
			t.Errorf("the log:\n%s", out)
		}
	})
}

// Who waits for a turn or for the end of a pause is not left waiting.
func TestQ14GoneWakesWhoWaits(t *testing.T) {
	t.Parallel()
	for _, concurrency := range []int{1, 2} { // with 2 one waits for the pause
		synctest.Test(t, func(t *testing.T) {
			g := newGate(concurrency)
			if err := g.enter(t.Context()); err != nil {
				t.Fatal(err)
			}
			g.pause(time.Hour)
			results := make(chan error)
			for range 3 {
				go func() { results <- g.enter(t.Context()) }()
			}
			synctest.Wait()
			begin := time.Now()
			if !g.disable("because") || g.disable("again") {
				t.Error("disabled not once")
			}
			for range 3 {
				if _, ok := errors.AsType[*GoneError](<-results); !ok {
					t.Error("let in")
				}
			}
			if len(g.permits) != 1 || time.Since(begin) > 0 {
				t.Errorf("%d permits are held, after %v", len(g.permits), time.Since(begin))
			}
		})
	}
}
