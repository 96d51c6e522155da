// Package trouble follows calls through failures: it says once what is wrong
// and once that it is over, and paces the attempts.
package trouble

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/postroom/postroom/backend"
)

const (
	// calm is how long nothing may fail before a trouble counts as over: longer
	// than a call that was stuck takes to fail, so that the last of an outage
	// belong to it, and what works now and then is one trouble.
	calm = 10 * time.Second
	// maxBrief bounds an error in the log.
	maxBrief = 1 << 10
)

// Log tells of the troubles of one daemon.
type Log struct {
	out       *slog.Logger
	low, high time.Duration

	mu    sync.Mutex // of the kinds of work too
	works []*Work
}

// NewLog makes a log. Low and high bound the pauses, see [Pause].
func NewLog(out *slog.Logger, low, high time.Duration) *Log {
	return &Log{out: out, low: low, high: high}
}

// Close says of all work that has got through that it works again, without
// waiting for it to last. Of what fails still it says nothing. It is for the end
// of the daemon.
func (l *Log) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.works {
		w.end()
	}
}

// GiveUp says for all callers that they have given up. It is for the end of one
// of a daemon's lives: what fails in the next one is the same trouble, if it does
// so soon.
func (l *Log) GiveUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.works {
		if len(w.failing) > 0 {
			clear(w.failing)
			w.gotThrough()
		}
	}
}

// Work is one kind of work, such as "reading records", over all its callers: the
// shards that are read. It is safe for concurrent use.
//
// A trouble begins with the first failure of a caller, which is logged. Further
// ones are not, unless they are of another [backend.Kind], each of which is
// logged once. It is over when every caller that failed has got through or given
// up, and nothing has failed for ten seconds, which is logged too.
type Work struct {
	log  *Log
	what string

	// Of the trouble there is; told is nil while there is none.
	failing  map[string]*streak // by caller
	told     map[backend.Kind]bool
	failures int
	since    time.Time
	through  time.Time // when the last caller got through
}

// streak is the failures of one caller, in a row.
type streak struct {
	failures int
	since    time.Time
}

// Work is the kind of work of a name, as in "reading records fails".
func (l *Log) Work(what string) *Work {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.IndexFunc(l.works, func(w *Work) bool { return w.what == what }); i >= 0 {
		return l.works[i]
	}
	w := &Work{log: l, what: what, failing: map[string]*streak{}}
	l.works = append(l.works, w)
	return w
}

// Failed notes that a call failed for who, and returns how long to wait before
// the next attempt and for how long all of them have failed now. A call whose
// ctx is done was stopped and did not fail.
//
// Each caller that failed has to say [Work.Worked] in the end, also when it
// gives up: the trouble lasts until then.
func (w *Work) Failed(ctx context.Context, who string, err error) (pause, lasting time.Duration) {
	if ctx.Err() != nil {
		return 0, 0
	}
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	now := time.Now()
	if w.told == nil {
		w.told, w.failures, w.since = map[backend.Kind]bool{}, 0, now
	}
	s := w.failing[who]
	if s == nil {
		s = &streak{since: now}
		w.failing[who] = s
	}
	s.failures++
	w.failures++
	if kind := backend.KindOf(err); !w.told[kind] {
		w.told[kind] = true
		w.log.out.Warn(w.what+" fails, trying again", "kind", kind.String(), "of", who, "error", Brief(err))
	}
	return Pause(w.log.low, w.log.high, s.failures), now.Sub(s.since)
}

// Worked notes that who got through or gave up. It may be said at any time.
func (w *Work) Worked(who string) {
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	if w.failing[who] == nil {
		return
	}
	delete(w.failing, who)
	if len(w.failing) == 0 {
		w.gotThrough()
	}
}

// gotThrough notes that nobody fails any more.
func (w *Work) gotThrough() {
	w.through = time.Now()
	time.AfterFunc(calm, w.rest)
}

// rest ends the trouble, unless something failed meanwhile.
func (w *Work) rest() {
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	if time.Since(w.through) >= calm {
		w.end()
	}
}

func (w *Work) end() {
	if w.told == nil || len(w.failing) > 0 {
		return
	}
	w.told = nil
	w.log.out.Info(w.what+" works again",
		"failures", w.failures, "after", w.through.Sub(w.since).Round(time.Millisecond).String())
}

// Brief is an error as it is kept and logged: some quote what they complain of,
// which can be as large as an item.
func Brief(err error) string {
	s := err.Error()
	if len(s) <= maxBrief {
		return s
	}
	return strings.ToValidUTF8(s[:maxBrief], "") + "…"
}
