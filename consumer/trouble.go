package consumer

import (
	"context"
	"log/slog"
	"time"

	"github.com/postroom/postroom/backend"
)

// Bounds of the pause after a failed call to the queue.
const (
	minPause = 100 * time.Millisecond
	maxPause = 10 * time.Second
)

// trouble follows one kind of call through failures: it paces the attempts, and
// logs when the trouble begins, changes and ends.
type trouble struct {
	log      *slog.Logger
	what     string
	attempts int
	last     string
}

// failed takes note of an error, and says whether there was one.
func (t *trouble) failed(err error) bool {
	if err == nil {
		return false
	}
	if c := cause(err); c != t.last {
		t.last = c
		t.log.Error("queue call failed; trying again", "call", t.what, "attempts", t.attempts+1, "error", err)
	}
	return true
}

// cause is what two errors of the same trouble have in common: a server's texts
// may carry a request id.
func cause(err error) string {
	if kind := backend.KindOf(err); kind != backend.KindUnknown {
		return kind.String()
	}
	return err.Error()
}

// pause waits before the next attempt. False: ctx is done.
func (t *trouble) pause(ctx context.Context) bool {
	t.attempts++
	timer := time.NewTimer(backoff(minPause, maxPause, t.attempts))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// over takes note of a call that went well.
func (t *trouble) over() {
	if t.last != "" {
		t.log.Info("queue call works again", "call", t.what, "failed_attempts", t.attempts)
	}
	t.attempts, t.last = 0, ""
}
