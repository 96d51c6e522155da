package stream

import (
	"sync"
	"time"

	"github.com/postroom/postroom/backend"
)

// tracker keeps the delivered records of one shard until they are
// acknowledged, and knows the end of the contiguous acknowledged prefix: what a
// checkpoint may say.
type tracker struct {
	// These must not block.
	release func(n int, sizeBytes int64) // gives back room in the window
	due     func()                       // tells that flushCount acknowledgements wait
	settled func()                       // tells that nothing waits and nothing more comes
	every   int                          // flushCount

	mu      sync.Mutex
	pages   []page // as delivered, oldest first, the first one not all acknowledged
	head    int    // of the oldest record that is not acknowledged, in the first page
	waiting int    // delivered and not acknowledged
	fresh   int    // acknowledgements since the last call of state
	done    position
	closed  bool // nothing will be delivered any more
	last    bool // since the shard has ended
}

// page is what was delivered together.
type page struct {
	records []Record
	at      time.Time // when
	stale   bool      // from before a loss: no checkpoint comes of it
}

// recordState is how far one record is.
type recordState uint8

const (
	delivered recordState = iota
	acknowledged
	refused
)

// position is a place between two records of a shard.
type position struct {
	sequence string    // of the record before it; empty: the trim horizon
	at       time.Time // when that record was made, about
}

func newTracker(from position, every int, release func(int, int64), due, settled func()) *tracker {
	return &tracker{done: from, every: every, release: release, due: due, settled: settled}
}

// deliver makes the records of a page wait for their acknowledgement.
func (t *tracker) deliver(shard string, records []backend.Record) []*Record {
	p := page{records: make([]Record, len(records)), at: time.Now()}
	refs := make([]*Record, len(records))
	for i, r := range records {
		p.records[i] = Record{Record: r, Shard: shard, tracker: t}
		refs[i] = &p.records[i]
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pages = append(t.pages, p)
	t.waiting += len(records)
	return refs
}

// refuse says that nobody took the records over. The checkpoint stays before the
// first of them, and acknowledging them has no effect.
func (t *tracker) refuse(records []*Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range records {
		if r.state == delivered {
			r.state = refused
			t.waiting--
			t.release(1, r.SizeBytes)
		}
	}
	t.settle()
}

func (t *tracker) ack(r *Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.state != delivered {
		return
	}
	r.state = acknowledged
	t.waiting--
	t.fresh++
	t.release(1, r.SizeBytes)
	t.advance()
	if t.fresh == t.every {
		t.due()
	}
	t.settle()
}

func (t *tracker) settle() {
	if t.closed && t.waiting == 0 {
		t.settled()
	}
}

// advance moves the checkpoint over the acknowledged prefix, and never back: a
// stream that repeats records shows older ones again.
func (t *tracker) advance() {
	for len(t.pages) > 0 {
		p := t.pages[0]
		for t.head < len(p.records) && p.records[t.head].state == acknowledged {
			if r := &p.records[t.head]; !p.stale && backend.CompareSequence(r.Sequence, t.done.sequence) > 0 {
				t.done = position{r.Sequence, r.CreatedAt}
			}
			t.head++
		}
		if t.head < len(p.records) {
			return
		}
		t.pages[0] = page{}
		t.pages, t.head = t.pages[1:], 0
	}
}

// close says that nothing more will be delivered, since the shard has ended or
// somebody else is to read on.
func (t *tracker) close(ended bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed, t.last = true, ended
	t.settle()
}

// restart goes on from another place, after a loss. What was delivered before it
// still waits for its acknowledgement, and no checkpoint comes of it.
func (t *tracker) restart(from position) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done = from
	for i := range t.pages {
		t.pages[i].stale = true
	}
}

// state is what may be made durable: the position, and whether the shard is
// finished.
func (t *tracker) state() (done position, finished bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fresh = 0
	return t.done, t.last && t.waiting == 0
}

// isSettled reports whether nothing waits and nothing more comes.
func (t *tracker) isSettled() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.closed && t.waiting == 0
}

// progress returns how many records wait, and since when the oldest of them.
func (t *tracker) progress() (waiting int, since time.Time, done position) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waiting > 0 && len(t.pages) > 0 {
		since = t.pages[0].at
	}
	return t.waiting, since, t.done
}
