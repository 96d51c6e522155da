package backfill

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/longscan"
	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/projector/quarantine"
)

const (
	// maxPage bounds how many items of the log are read at once, so that the pages
	// of all segments are small beside what is in flight.
	maxPage = 250
	// weightBytes is what one place of the window holds: a larger message takes
	// more of them.
	weightBytes = 16 << 10
)

// segment is one segment of a scan while it is read. Pages are read ahead of
// what is done; the progress is the end of the contiguous prefix.
type segment struct {
	scan  *scan
	index int
	paid  time.Time     // when the next page may be read
	moved chan struct{} // a page is done

	mu    sync.Mutex
	pages []*page // read and not done, or behind one that is not
}

// page is one page of a segment on its way.
type page struct {
	last   backend.Key // to go on after
	ends   bool        // the segment
	left   int         // messages in flight
	counts Counts
}

// runSegment reads a segment on from where it is done, until all of it is.
func (s *scan) runSegment(ctx context.Context, i int, at longscan.Segment) (err error) {
	seg := &segment{scan: s, index: i, moved: make(chan struct{}, 1)}
	for p := (&page{last: at.After}); !at.Done; {
		if !p.ends {
			p, err = seg.next(ctx, p.last)
		} else {
			select {
			case <-seg.moved:
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		if err != nil {
			return err
		}
		if at, err = seg.advance(ctx, at); err != nil {
			return err
		}
	}
	return nil
}

// next reads the next page and has its messages processed.
func (seg *segment) next(ctx context.Context, after backend.Key) (*page, error) {
	read, err := seg.read(ctx, after)
	if err != nil {
		return nil, err
	}
	p := &page{ends: read.Last == nil}
	if !p.ends {
		p.last = *read.Last
	}
	return p, seg.submit(ctx, p, read.Items)
}

// read reads the next page once the last one is paid.
func (seg *segment) read(ctx context.Context, after backend.Key) (read backend.Page, err error) {
	b, segments := seg.scan.b, seg.scan.segments
	q := backend.Scan{
		Segment: seg.index, Segments: segments, After: after, Consistent: true,
		Limit: min(maxPage, max(1, b.opts.Window/(2*segments))),
	}
	if err := retry.Sleep(ctx, time.Until(seg.paid), nil); err != nil {
		return backend.Page{}, err
	}
	err = b.loop.Do(ctx, fmt.Sprint("segment ", seg.index), func(ctx context.Context) (err error) {
		read, err = b.Log.Scan(ctx, q)
		return err
	})
	seg.paid = b.pace.Charge(unitsOf(read))
	return read, err
}

// submit has the messages of a page processed. It waits while too many are in
// flight.
func (seg *segment) submit(ctx context.Context, p *page, read []backend.Item) error {
	b := seg.scan.b
	var items []Item
	var weight int64
	for _, it := range read {
		if !isMessage(backend.KeyOf(it)) {
			continue
		}
		p.counts.Read++
		r := quarantine.LogRecord(it)
		r.Silent = !seg.scan.covers(r.CreatedAt)
		m, err := postroom.MessageFromItem(it)
		if err != nil {
			put := func(ctx context.Context) error { return b.Quarantine.Put(ctx, r, err, 1) }
			if err := b.loop.Do(ctx, r.EventID, put); err != nil {
				return err
			}
			continue
		}
		places := min(1+int64(backend.ItemBytes(it))/weightBytes, int64(b.opts.Window)-weight) // all of a page must fit
		items = append(items, Item{m, r, func(o Outcome) {
			b.window.Release(places)
			seg.done(p, o)
		}})
		weight += places
	}
	p.left = len(items)
	seg.push(p)
	if err := b.window.Acquire(ctx, weight); err != nil {
		return err
	}
	err := b.Submit(ctx, items)
	if err != nil {
		b.window.Release(weight) // none was taken over
	}
	return err
}

func isMessage(key backend.Key) bool { return strings.HasPrefix(key.SK, postroom.MessagePrefix) }

// push adds a page behind those that are on their way.
func (seg *segment) push(p *page) {
	seg.mu.Lock()
	defer seg.mu.Unlock()
	seg.pages = append(seg.pages, p)
}

// done notes the end of one message. It is called from whoever ended it.
func (seg *segment) done(p *page, o Outcome) {
	seg.mu.Lock()
	p.counts = p.counts.add(o.counts())
	p.left--
	seg.mu.Unlock()
	retry.Wake(seg.moved)
}

// advance takes the pages that are done from the front and notes the progress.
func (seg *segment) advance(ctx context.Context, at longscan.Segment) (longscan.Segment, error) {
	var counts Counts
	seg.mu.Lock()
	before := at
	for len(seg.pages) > 0 && seg.pages[0].left == 0 {
		p := seg.pages[0]
		at = longscan.Segment{After: p.last, Done: p.ends}
		counts = counts.add(p.counts)
		seg.pages = seg.pages[1:]
	}
	seg.merge()
	seg.mu.Unlock()
	if at == before {
		return at, nil
	}
	seg.scan.b.count(counts)
	return at, seg.scan.advance(ctx, seg.index, at, counts)
}

// merge joins pages that are done to the one before them, so that those behind
// a message that takes its time do not add up.
func (seg *segment) merge() {
	var kept []*page
	for _, p := range seg.pages {
		if len(kept) > 0 && p.left == 0 {
			before := kept[len(kept)-1]
			before.last, before.ends, before.counts = p.last, p.ends, before.counts.add(p.counts)
			continue
		}
		kept = append(kept, p)
	}
	seg.pages = kept
}
