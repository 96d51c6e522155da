package projector

import (
	"context"
	"log/slog"
	"sync"

	"github.com/postroom/postroom/backend"
)

// trouble logs what goes wrong once when it begins, once when it becomes
// something else and once when it is over, however often it was tried.
type trouble struct {
	logger *slog.Logger
	what   string // what is held up, such as "sending notifications"

	mu    sync.Mutex
	last  string
	times int
}

func (t *trouble) report(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return // stopping is no trouble
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.times++
	kind := backend.KindOf(err).String()
	if kind == t.last {
		return
	}
	t.last = kind
	t.logger.Error(t.what+" fails, trying on", "error", err)
}

func (t *trouble) over(ctx context.Context) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.times > 0 {
		t.logger.Info(t.what+" works again", "failures", t.times)
	}
	t.last, t.times = "", 0
}
