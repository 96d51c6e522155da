package main

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/postroom/postroom/consumer"
	"github.com/postroom/postroom/projector"
	"github.com/postroom/postroom/stream"
)

// Bounds of what counts as progress.
const (
	// maxUnread is how long a shard may go without a read that succeeds: some
	// times longer than the pauses of an idle one, about a second, and of one
	// whose calls fail, ten at most.
	maxUnread = 30 * time.Second
	// maxWaiting is how long a record may wait to be acknowledged: longer than a
	// message waits for the members of its conversation, 30 s, and than the
	// largest conversations take to be moved. A queue or a table that is away
	// for longer is something to look at.
	maxWaiting = 2 * time.Minute
	// maxUnanswered is how long the queue may answer no receive: one waits for
	// 20 s where nothing comes and is given up after 30 s, so that this is two
	// that failed in a row.
	maxUnanswered = time.Minute
	// maxReasons is how many shards an answer names.
	maxReasons = 10
)

// verdict tells why a daemon is not ready; empty: it is. It may be called
// concurrently.
type verdict func() string

// both is ready when each of them is.
func both(a, b verdict) verdict {
	return func() string {
		if why := a(); why != "" {
			return why
		}
		return b()
	}
}

// projectorReady is ready while the projector gets on: see [headway].
func projectorReady(p *projector.Projector) verdict {
	var seen headway
	return func() string { return seen.judge(p.StreamStats(), p.Progress(), time.Now()) }
}

// headway judges from look to look whether a reader gets on: it has joined its
// worker group, every shard that it holds is read, and what was read does not wait
// for ever. A worker is ready too if the others hold all shards.
type headway struct {
	mu sync.Mutex
	// started says that it was ready once: before that a shard that was not read
	// yet means that it starts, afterwards it is given maxUnread.
	started bool
	// idle is since when a worker that is alone has been seen without a shard:
	// at the end of one its children may appear late. Zero: it is not so.
	idle time.Time
}

func (h *headway) judge(s stream.Stats, shards []stream.ShardProgress, now time.Time) (why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(shards) > 0 || s.Workers != 1 {
		h.idle = time.Time{}
	} else if h.idle.IsZero() {
		h.idle = now
	}
	if why := h.starts(s, shards); why != "" {
		return why
	}
	h.started = true
	if idle := now.Sub(h.idle); !h.idle.IsZero() && idle > maxUnread {
		return fmt.Sprintf("holds no shard for %v, and there is no other worker", brief(idle))
	}
	var reasons []string
	for _, sh := range shards {
		if why := judgeShard(s, sh, now); why != "" {
			reasons = append(reasons, "shard "+sh.Shard+": "+why)
		}
	}
	if more := len(reasons) - maxReasons; more > 0 {
		reasons = append(reasons[:maxReasons], fmt.Sprintf("and %d more shards", more))
	}
	return strings.Join(reasons, "\n")
}

// starts says what a reader that starts has not come to yet. One that rejoins its
// worker group, since its session was expired, starts again.
func (h *headway) starts(s stream.Stats, shards []stream.ShardProgress) string {
	if s.Workers == 0 {
		return "starting: has not joined the worker group"
	}
	if h.started {
		return ""
	}
	if !h.idle.IsZero() {
		return "starting: holds no shard yet"
	}
	for _, sh := range shards {
		if sh.ReadAt.IsZero() {
			return fmt.Sprintf("starting: shard %s was not read yet", sh.Shard)
		}
	}
	return ""
}

// judgeShard tells why one shard does not get on. A reader that has too much in
// hand reads no more, so that shards can stand still for what others wait for.
func judgeShard(s stream.Stats, sh stream.ShardProgress, now time.Time) string {
	read := sh.ReadAt
	if read.IsZero() {
		read = sh.Begun
	}
	waiting, unread := now.Sub(sh.InFlightSince), now.Sub(read)
	switch {
	case sh.InFlight > 0 && waiting > maxWaiting:
		return fmt.Sprintf("%d records wait to be projected and told, the oldest for %v", sh.InFlight, brief(waiting))
	case unread > maxUnread && s.InFlight > 0:
		return fmt.Sprintf("not read for %v, while %d records of all shards wait to be projected and told", brief(unread), s.InFlight)
	case unread > maxUnread:
		return fmt.Sprintf("not read for %v", brief(unread))
	}
	return ""
}

// consumerReady is ready once the queue has answered a receive, and while it
// goes on answering. Where the queue is empty the first answer takes as long as
// a receive waits.
func consumerReady(w *consumer.Worker) verdict {
	var begun atomic.Bool
	return func() string {
		_, idle := w.IdleSince()
		if !begun.Load() && !idle && w.Stats().Received == 0 {
			return "starting: the queue has not answered yet"
		}
		begun.Store(true)
		return queueAnswers(w)()
	}
}

// queueAnswers is ready while no receive goes unanswered for long.
func queueAnswers(w *consumer.Worker) verdict {
	return func() string { return judgeQueue(w.AskedSince(), time.Now()) }
}

// judgeQueue tells of a queue that does not answer what it was asked.
func judgeQueue(asked, now time.Time) string {
	if unanswered := now.Sub(asked); !asked.IsZero() && unanswered > maxUnanswered {
		return fmt.Sprintf("the queue has not answered for %v", brief(unanswered))
	}
	return ""
}

func brief(d time.Duration) time.Duration { return d.Round(time.Second) }
