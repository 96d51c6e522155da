package shard

import (
	"sync"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/stream/internal/lease"
)

// tracker keeps the delivered records of one shard until they are acknowledged,
// and knows the end of the contiguous acknowledged prefix: the checkpoint.
type tracker struct {
	// These must not block.
	release func(n int, sizeBytes int64) // gives room back
	due     func()                       // every acknowledgements wait to be saved
	drained func()                       // nothing waits and nothing more comes
	every   int

	mu      sync.Mutex
	pages   []*Page // as delivered, oldest first, the first one not all acknowledged
	head    int     // of the oldest record that is not acknowledged, in the first page
	waiting int     // delivered and not acknowledged
	fresh   int     // acknowledgements since the last call of state
	done    lease.Position
	reached time.Time // before it nothing is left to be read, once the shard has ended
	closed  bool      // nothing will be delivered any more
	ended   bool      // since the shard has ended
}

// Page is records that were delivered together.
type Page struct {
	Shard   string
	tracker *tracker
	entries []entry
	at      time.Time // of the delivery
	stale   bool      // from before a loss: it moves no checkpoint
}

// entry is what a page remembers of a record.
type entry struct {
	lease.Position
	sizeBytes int64
	state     state
}

// state is how far one record is.
type state uint8

const (
	delivered state = iota
	acknowledged
	refused
)

func newTracker(from lease.Position, every int, release func(int, int64), due, drained func()) *tracker {
	return &tracker{done: from, every: every, release: release, due: due, drained: drained}
}

// positionOf is the place behind a record. Before the group's start nothing was
// promised that could be behind it.
func positionOf(r backend.Record, start time.Time) lease.Position {
	at := r.CreatedAt
	if at.Before(start) {
		at = start
	}
	return lease.Position{Sequence: r.Sequence, At: at}
}

// deliver makes records wait for their acknowledgement. Start is that of the group.
func (t *tracker) deliver(shard string, records []backend.Record, start time.Time) *Page {
	p := &Page{Shard: shard, tracker: t, entries: make([]entry, len(records)), at: time.Now()}
	for i, r := range records {
		p.entries[i] = entry{Position: positionOf(r, start), sizeBytes: r.SizeBytes}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pages = append(t.pages, p)
	t.waiting += len(records)
	return p
}

// Ack acknowledges the record with that index, once.
func (p *Page) Ack(index int) {
	t, e := p.tracker, &p.entries[index]
	t.mu.Lock()
	defer t.mu.Unlock()
	if e.state != delivered {
		return
	}
	t.fresh++
	t.resolve(e, acknowledged)
	t.advance()
	if t.fresh == t.every {
		t.due()
	}
	t.tellIfDrained()
}

// refuse says that nobody took over what is not acknowledged of a page. The
// checkpoint stays before the first such record, and acknowledging it has no
// effect.
func (t *tracker) refuse(p *Page) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range p.entries {
		if e := &p.entries[i]; e.state == delivered {
			t.resolve(e, refused)
		}
	}
	t.tellIfDrained()
}

func (t *tracker) resolve(e *entry, s state) {
	e.state = s
	t.waiting--
	t.release(1, e.sizeBytes)
}

func (t *tracker) tellIfDrained() {
	if t.closed && t.waiting == 0 {
		t.drained()
	}
}

// advance moves the checkpoint over the acknowledged prefix, and never back: a
// stream that repeats records shows older ones again.
func (t *tracker) advance() {
	for len(t.pages) > 0 {
		p := t.pages[0]
		for t.head < len(p.entries) && p.entries[t.head].state == acknowledged {
			at := p.entries[t.head].Position
			if !p.stale && backend.CompareSequence(at.Sequence, t.done.Sequence) > 0 {
				t.done = at
			}
			t.head++
		}
		if t.head < len(p.entries) {
			return
		}
		t.pages[0] = nil
		t.pages, t.head = t.pages[1:], 0
	}
}

// caughtUpEvery is by how much the time of the checkpoint of a shard without new
// records moves at once: each step is a write of the lease.
const caughtUpEvery = time.Hour

// caughtUp notes that nothing unread was made before a time. Where nothing that was
// read waits either, that is as true of what is not done.
func (t *tracker) caughtUp(at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.pages) == 0 && at.Sub(t.done.At) >= caughtUpEvery {
		t.done.At = at
	}
}

// close says that nothing more will be delivered: the shard has ended, or somebody
// else is to read on.
func (t *tracker) close(ended bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed, t.ended = true, ended
	t.tellIfDrained()
}

// reach says that everything before a time was delivered.
func (t *tracker) reach(at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reached = at
}

// restart continues from another place, after a loss. What was delivered before
// still waits for its acknowledgement, and moves no checkpoint.
func (t *tracker) restart(from lease.Position) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done = from
	for _, p := range t.pages {
		p.stale = true
	}
}

// state returns what may be saved: the checkpoint, and whether the shard is
// finished.
func (t *tracker) state() (done lease.Position, finished bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fresh = 0
	if finished = t.ended && t.waiting == 0; finished && t.done.At.Before(t.reached) {
		t.done.At = t.reached
	}
	return t.done, finished
}

// isDrained reports whether nothing waits and nothing more comes.
func (t *tracker) isDrained() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.closed && t.waiting == 0
}

// inFlight returns how many records wait, and since when the oldest of them.
func (t *tracker) inFlight() (waiting int, since time.Time, done lease.Position) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waiting > 0 {
		since = t.pages[0].at
	}
	return t.waiting, since, t.done
}
