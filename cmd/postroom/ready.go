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
	// maxUnread is how long a shard may go without a successful read. An idle
	// shard is read about every second, and failed calls are repeated at least
	// every ten seconds.
	maxUnread = 30 * time.Second
	// maxInFlight is how long a record may be in flight: longer than a message
	// waits for the members of its conversation, which is 30 s, and longer than
	// a move of the largest conversations takes.
	maxInFlight = 2 * time.Minute
	// maxUnanswered is how long the queue may leave receives unanswered. An empty
	// queue answers after 20 s, and a receive times out after 30 s, so this is two
	// timeouts in a row.
	maxUnanswered = time.Minute
	// maxReasons is how many shards an answer names at most.
	maxReasons = 10
)

// readiness returns why a daemon is not ready, or "" if it is. It may be called
// concurrently.
type readiness func() string

// both is ready once a and b are.
func both(a, b readiness) readiness {
	return func() string {
		if why := a(); why != "" {
			return why
		}
		return b()
	}
}

// projectorReady is ready while the projector makes progress: see [progressCheck].
func projectorReady(p *projector.Projector) readiness {
	var c progressCheck
	return both(func() string { return c.check(p.StreamStats(), p.Progress(), time.Now()) }, undamaged(p.Damaged))
}

// progressCheck checks whether a reader makes progress: it has joined its worker
// group, it reads every shard that it holds, and no record stays in flight for
// too long. A worker without a shard is ready if others hold the shards.
type progressCheck struct {
	mu sync.Mutex
	// started says that the reader was ready once. Before that, a shard that it
	// has not read yet means that it is starting; afterwards the shard is given
	// maxUnread.
	started bool
	// idle is since when the only worker has been seen without a shard: when a
	// shard ends its children may appear late. Zero: it has a shard.
	idle time.Time
}

func (h *progressCheck) check(s stream.Stats, shards []stream.ShardProgress, now time.Time) (why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(shards) > 0 || s.Workers != 1 {
		h.idle = time.Time{}
	} else if h.idle.IsZero() {
		h.idle = now
	}
	if why := h.starting(s, shards); why != "" {
		return why
	}
	h.started = true
	if idle := now.Sub(h.idle); !h.idle.IsZero() && idle > maxUnread {
		return fmt.Sprintf("holds no shard for %v, and there is no other worker", brief(idle))
	}
	var reasons []string
	for _, sh := range shards {
		if why := checkShard(s, sh, now); why != "" {
			reasons = append(reasons, "shard "+sh.Shard+": "+why)
		}
	}
	if more := len(reasons) - maxReasons; more > 0 {
		reasons = append(reasons[:maxReasons], fmt.Sprintf("and %d more shards", more))
	}
	return strings.Join(reasons, "\n")
}

// starting returns what a starting reader has not done yet. A reader that rejoins
// its worker group because its session expired is starting again.
func (h *progressCheck) starting(s stream.Stats, shards []stream.ShardProgress) string {
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
			return fmt.Sprintf("starting: shard %s has not been read yet", sh.Shard)
		}
	}
	return ""
}

// checkShard returns why one shard makes no progress. A reader with too many
// records in flight reads no shard, so one shard can stand still because of the
// records of another.
func checkShard(s stream.Stats, sh stream.ShardProgress, now time.Time) string {
	read := sh.ReadAt
	if read.IsZero() {
		read = sh.Begun
	}
	inFlight, unread := now.Sub(sh.InFlightSince), now.Sub(read)
	switch {
	case sh.InFlight > 0 && inFlight > maxInFlight:
		return fmt.Sprintf("%d records are in flight, the oldest for %v", sh.InFlight, brief(inFlight))
	case unread > maxUnread && s.InFlight > 0:
		return fmt.Sprintf("not read for %v, while %d records of all shards are in flight", brief(unread), s.InFlight)
	case unread > maxUnread:
		return fmt.Sprintf("not read for %v", brief(unread))
	}
	return ""
}

// consumerReady is ready once the queue has answered a receive, and for as long as
// it goes on answering. An empty queue answers when the receive's wait is over.
func consumerReady(w *consumer.Worker) readiness {
	var begun atomic.Bool
	return func() string {
		_, idle := w.IdleSince()
		if !begun.Load() && !idle && w.Stats().Received == 0 {
			return "starting: the queue has not answered yet"
		}
		begun.Store(true)
		return checkQueue(w.AskedSince(), time.Now())
	}
}

// checkQueue returns since when the queue has not answered a receive, if that is
// too long.
func checkQueue(asked, now time.Time) string {
	if unanswered := now.Sub(asked); !asked.IsZero() && unanswered > maxUnanswered {
		return fmt.Sprintf("the queue has not answered for %v", brief(unanswered))
	}
	return ""
}

func brief(d time.Duration) time.Duration { return d.Round(time.Second) }
