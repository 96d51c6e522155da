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
	release func(n int) // gives back room in the window; must not block
	due     func()      // tells that flushCount acknowledgements wait; must not block
	every   int         // flushCount

	mu      sync.Mutex
	pages   [][]Record // as delivered, oldest first, the first one not all acknowledged
	head    int        // of the oldest record that is not acknowledged, in the first page
	waiting int        // delivered and not acknowledged
	fresh   int        // acknowledgements since the last call of saved
	done    position
	ended   bool          // nothing will be delivered any more
	settled chan struct{} // closed once ended and nothing waits
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

func newTracker(from position, every int, release func(int), due func()) *tracker {
	return &tracker{done: from, every: every, release: release, due: due, settled: make(chan struct{})}
}

// deliver makes the records of a page wait for their acknowledgement.
func (t *tracker) deliver(shard string, records []backend.Record) []*Record {
	page := make([]Record, len(records))
	refs := make([]*Record, len(records))
	for i, r := range records {
		page[i] = Record{Record: r, Shard: shard, tracker: t}
		refs[i] = &page[i]
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pages = append(t.pages, page)
	t.waiting += len(page)
	return refs
}

// refuse says that nobody took the records over. The checkpoint stays before the
// first of them, and acknowledging them has no effect.
func (t *tracker) refuse(records []*Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, r := range records {
		if r.state == delivered {
			r.state = refused
			n++
		}
	}
	t.waiting -= n
	t.release(n)
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
	t.release(1)
	t.advance()
	if t.fresh == t.every {
		t.due()
	}
	if t.ended && t.waiting == 0 {
		close(t.settled)
	}
}

// advance moves the checkpoint over the acknowledged prefix, and never back: a
// stream that repeats records shows older ones again.
func (t *tracker) advance() {
	for len(t.pages) > 0 {
		page := t.pages[0]
		for t.head < len(page) && page[t.head].state == acknowledged {
			if r := &page[t.head]; backend.CompareSequence(r.Sequence, t.done.sequence) > 0 {
				t.done = position{r.Sequence, r.CreatedAt}
			}
			t.head++
		}
		if t.head < len(page) {
			return
		}
		t.pages[0] = nil
		t.pages, t.head = t.pages[1:], 0
	}
}

// end says that the shard has no more records than were delivered.
func (t *tracker) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	if t.waiting == 0 {
		close(t.settled)
	}
}

// state is what may be made durable: the position, and whether the shard is
// finished.
func (t *tracker) state() (done position, finished bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fresh = 0
	return t.done, t.ended && t.waiting == 0
}
