package projector

import (
	"context"
	"log/slog"
	"sync"

	"github.com/postroom/postroom/backend"
)

// trouble logs what goes wrong once when it begins, once when it becomes
// something else and once when it is over for everybody, however often it was
// tried and however many it holds up.
type trouble struct {
	logger *slog.Logger
	what   string // what is held up, such as "sending notifications"

	mu      sync.Mutex
	failing map[string]bool // who is held up: conversations, recipients
	last    string
	times   int
}

// report says that who was held up once more.
func (t *trouble) report(ctx context.Context, who string, err error) {
	if ctx.Err() != nil {
		return // stopping is no trouble
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failing == nil {
		t.failing = map[string]bool{}
	}
	t.failing[who] = true
	t.times++
	kind := backend.KindOf(err).String()
	if kind == t.last {
		return
	}
	t.last = kind
	t.logger.Error(t.what+" fails, trying on", "error", err)
}

// over says that who is held up no longer, and may be called for everybody.
func (t *trouble) over(who string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.failing[who] {
		return
	}
	delete(t.failing, who)
	if len(t.failing) > 0 {
		return
	}
	t.logger.Info(t.what+" works again", "failures", t.times)
	t.last, t.times = "", 0
}
