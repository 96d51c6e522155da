// Package incident logs a failure once when it begins and once when it is over,
// however often the calls in between fail.
//
//	         Failed                       Succeeded, by the last that failed
//	quiet ───────────► failing, logged ──────────────────────────► settling
//	  ▲                      ▲                                        │
//	  │                      └────────────────── Failed ──────────────┤
//	  └──────────────────── nothing failed for ten seconds, logged ───┘
package incident

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
	// settleTime is how long nothing may fail before an incident counts as over.
	// It is longer than a stuck call takes to fail, so that the last failures of
	// an outage belong to it, and so that calls that fail now and then are one
	// incident.
	settleTime = 10 * time.Second
	// maxBrief bounds an error in the log, in bytes.
	maxBrief = 1 << 10
)

// Log logs the incidents of one daemon. It is safe for concurrent use.
type Log struct {
	out *slog.Logger

	mu         sync.Mutex // of the operations too
	operations []*Operation
}

// NewLog returns a log that writes to out.
func NewLog(out *slog.Logger) *Log { return &Log{out: out} }

// Close logs the end of every incident whose callers have all succeeded, without
// waiting for the incident to settle. It logs nothing about calls that still fail
// or were stopped while they failed. Call it when the daemon ends.
func (l *Log) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range l.operations {
		if o.stopped {
			o.logged = nil
		}
		o.end()
	}
}

// Longest returns for how long the caller has failed in a row that has done so for
// longest; zero where none fails.
func (l *Log) Longest(now time.Time) (longest time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range l.operations {
		for _, s := range o.failing {
			longest = max(longest, now.Sub(s.since))
		}
	}
	return longest
}

// Abandon says that every caller that failed has given up. It belongs between
// two sessions of one daemon: what fails again soon is the same incident.
func (l *Log) Abandon() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range l.operations {
		if len(o.failing) > 0 {
			clear(o.failing)
			o.settle()
		}
	}
}

// Operation is one kind of call, such as "reading records", over all its callers,
// such as the shards that are read. It is safe for concurrent use.
//
// An incident begins with a caller's first failure, which is logged. Later
// failures are logged only if they are of another [backend.Kind], each kind once.
// The incident is over, and logged as over, once every caller that failed has
// succeeded or given up and nothing has failed for ten seconds.
type Operation struct {
	log  *Log
	name string

	// The incident; logged is nil while there is none.
	failing   map[string]*streak // by caller
	logged    map[backend.Kind]bool
	failures  int
	since     time.Time
	succeeded time.Time // when the last caller did
	stopped   bool      // or was stopped instead
}

// streak is one caller's failures in a row.
type streak struct {
	failures int
	since    time.Time
}

// Operation returns the operation of that name, which reads as in "reading
// records fails".
func (l *Log) Operation(name string) *Operation {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.IndexFunc(l.operations, func(o *Operation) bool { return o.name == name }); i >= 0 {
		return l.operations[i]
	}
	o := &Operation{log: l, name: name, failing: map[string]*streak{}}
	l.operations = append(l.operations, o)
	return o
}

// Failed records a caller's failure. It returns how often that caller has failed
// in a row, and for how long. A call whose ctx is done was stopped and did not
// fail: it counts for nothing.
//
// Every caller that failed must call [Operation.Succeeded] in the end, also when
// it gives up: the incident lasts until then.
func (o *Operation) Failed(ctx context.Context, who string, err error) (failures int, lasting time.Duration) {
	if ctx.Err() != nil {
		return 0, 0
	}
	o.log.mu.Lock()
	defer o.log.mu.Unlock()
	now := time.Now()
	if o.logged == nil {
		o.logged, o.failures, o.since = map[backend.Kind]bool{}, 0, now
	}
	s := o.failing[who]
	if s == nil {
		s = &streak{since: now}
		o.failing[who] = s
	}
	s.failures++
	o.failures++
	if kind := backend.KindOf(err); !o.logged[kind] {
		o.logged[kind] = true
		o.log.out.Warn(o.name+" fails, trying again", "kind", kind.String(), "of", who, "error", Brief(err))
	}
	return s.failures, now.Sub(s.since)
}

// Succeeded records that a caller succeeded or gave up. A caller that never
// failed may call it too.
func (o *Operation) Succeeded(who string) {
	o.log.mu.Lock()
	defer o.log.mu.Unlock()
	o.ends(who, false)
}

// Stopped records that a caller that may have failed makes no more calls, since
// its context is done.
func (o *Operation) Stopped(who string) {
	o.log.mu.Lock()
	defer o.log.mu.Unlock()
	o.ends(who, true)
}

// ends records that a caller no longer fails.
func (o *Operation) ends(who string, stopped bool) {
	if o.failing[who] == nil {
		return
	}
	delete(o.failing, who)
	if len(o.failing) == 0 {
		o.stopped = stopped
		o.settle()
	}
}

// settle records that nobody fails any more.
func (o *Operation) settle() {
	o.succeeded = time.Now()
	time.AfterFunc(settleTime, o.settled)
}

// settled ends the incident unless something failed meanwhile.
func (o *Operation) settled() {
	o.log.mu.Lock()
	defer o.log.mu.Unlock()
	if time.Since(o.succeeded) >= settleTime {
		o.end()
	}
}

func (o *Operation) end() {
	if o.logged == nil || len(o.failing) > 0 {
		return
	}
	o.logged, o.stopped = nil, false
	o.log.out.Info(o.name+" works again",
		"failures", o.failures, "after", o.succeeded.Sub(o.since).Round(time.Millisecond).String())
}

// Brief returns an error's text, cut to 1 KiB: some errors quote the item that
// they complain about.
func Brief(err error) string {
	s := err.Error()
	if len(s) <= maxBrief {
		return s
	}
	return strings.ToValidUTF8(s[:maxBrief], "") + "…"
}
