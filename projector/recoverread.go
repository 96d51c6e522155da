package projector

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/stream"
)

const (
	// maxScanPage bounds how many items of the log are read at once, so that
	// the pages of all segments are small beside what is in flight.
	maxScanPage = 250
	// weightBytes is what one place of the window holds: a larger message takes
	// more of them.
	weightBytes = 16 << 10
	// logEventPrefix begins the event ids of records that were read from the
	// log: the stream's own are not known there.
	logEventPrefix = "log-"
)

// segment is one segment of a scan while it is read. Pages are read ahead of
// what is done; the progress is the end of the contiguous prefix.
type segment struct {
	scan  *scan
	index int
	moved chan struct{} // a page is done

	mu    sync.Mutex
	pages []*scanPage // read and not done, or behind one that is not
}

// scanPage is one page of a segment on its way.
type scanPage struct {
	last   backend.Key // to go on after
	ends   bool        // the segment
	left   int         // messages in flight
	counts RecoveryCounts
}

func (s *scan) runSegment(ctx context.Context, i int) error {
	seg := &segment{scan: s, index: i, moved: make(chan struct{}, 1)}
	at := s.at(i)
	for after := at.after; !at.done; {
		page, err := seg.read(ctx, after)
		if err != nil {
			return err
		}
		p := &scanPage{ends: page.Last == nil}
		if !p.ends {
			p.last, after = *page.Last, *page.Last
		}
		if err := seg.handOver(ctx, p, page.Items); err != nil {
			return err
		}
		if at, err = seg.settle(ctx, at); err != nil {
			return err
		}
		for p.ends && !at.done {
			select {
			case <-seg.moved:
			case <-ctx.Done():
				return ctx.Err()
			}
			if at, err = seg.settle(ctx, at); err != nil {
				return err
			}
		}
	}
	return nil
}

// read reads the next page once that may be.
func (seg *segment) read(ctx context.Context, after backend.Key) (page backend.Page, err error) {
	s := seg.scan
	q := backend.Scan{
		Segment: seg.index, Segments: s.segments, After: after, Consistent: true,
		Limit: int(min(maxScanPage, max(1, s.size/int64(2*s.segments)))),
	}
	if err := s.pace.wait(ctx); err != nil {
		return backend.Page{}, err
	}
	err = s.insist(ctx, fmt.Sprint("segment ", seg.index), func() (e error) {
		page, e = s.table.Scan(ctx, q)
		return e
	})
	s.pace.charge(unitsOf(page))
	return page, err
}

// handOver gives the messages of a page to the lanes, like records of the
// stream. It waits while too many are in flight.
func (seg *segment) handOver(ctx context.Context, p *scanPage, items []backend.Item) error {
	s := seg.scan
	if err := s.p.notify.admit(ctx); err != nil {
		return err
	}
	var entries []*entry
	var weight int64
	for _, item := range items {
		if !isMessage(backend.KeyOf(item)) {
			continue
		}
		p.counts.Read++
		r := logRecord(item)
		m, err := decodeMessage(r)
		if err != nil {
			if err := s.p.insist(ctx, r.EventID, func() error { return s.p.keepBroken(ctx, r, err, 1, !s.covers(r)) }); err != nil {
				return err
			}
			continue
		}
		places := min(1+r.SizeBytes/weightBytes, s.size-weight) // all of a page must fit
		entries, weight = append(entries, seg.entry(p, m, r, places)), weight+places
	}
	p.left = len(entries)
	seg.push(p)
	if err := s.window.Acquire(ctx, weight); err != nil {
		return err
	}
	s.p.lanes.add(entries)
	return nil
}

// entry is a message of a page, which gives its places in the window back in the
// end.
func (seg *segment) entry(p *scanPage, m postroom.Message, r *stream.Record, places int64) *entry {
	e := newEntry(m, r, nil)
	e.quiet = !seg.scan.covers(r)
	e.ack = func() {
		seg.scan.window.Release(places)
		seg.done(p, e)
	}
	return e
}

// push adds a page behind those that are on their way.
func (seg *segment) push(p *scanPage) {
	seg.mu.Lock()
	defer seg.mu.Unlock()
	seg.pages = append(seg.pages, p)
}

// done notes the end of one message. It is called from whoever ended it.
func (seg *segment) done(p *scanPage, e *entry) {
	var c RecoveryCounts
	if e.behind {
		c.Projected = 1
	}
	switch {
	case e.refused.Load():
		c.Projected = 0
	case !e.quiet:
		c.Notified = 1
	case e.behind:
		c.Unnotified = 1
	}
	seg.mu.Lock()
	p.counts = p.counts.add(c)
	p.left--
	seg.mu.Unlock()
	select {
	case seg.moved <- struct{}{}:
	default:
	}
}

// settle takes the pages that are done from the front and notes the progress.
func (seg *segment) settle(ctx context.Context, at segmentProgress) (segmentProgress, error) {
	var counts RecoveryCounts
	seg.mu.Lock()
	before := at
	for len(seg.pages) > 0 && seg.pages[0].left == 0 {
		p := seg.pages[0]
		at = segmentProgress{p.last, p.ends}
		counts = counts.add(p.counts)
		seg.pages = seg.pages[1:]
	}
	seg.merge()
	seg.mu.Unlock()
	if at == before {
		return at, nil
	}
	seg.scan.count(counts)
	return at, seg.scan.advance(ctx, seg.index, at, counts)
}

// merge joins pages that are done to the one before them, so that those behind
// a message that takes its time do not add up.
func (seg *segment) merge() {
	var kept []*scanPage
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

// covers reports whether a message is among what was lost and promised.
func (s *scan) covers(r *stream.Record) bool {
	return slices.ContainsFunc(s.ranges, func(g Gap) bool { return g.covers(r.CreatedAt) })
}

// logRecord is a message of the log as a record of the stream would be. Nobody
// waits for its acknowledgement.
func logRecord(item backend.Item) *stream.Record {
	key := backend.KeyOf(item)
	at, _, _ := postroom.ParseMessageKey(key.SK) // zero where the key is damaged
	return &stream.Record{Record: backend.Record{
		EventID: logEventID(key), Event: backend.Insert, Key: key, CreatedAt: at,
		SizeBytes: int64(backend.ItemBytes(item)),
		NewImage:  func() (backend.Item, error) { return item, nil },
	}}
}

// logEventID follows from the key, so that a message that is set aside again
// replaces itself.
func logEventID(key backend.Key) string {
	sum := sha256.Sum256([]byte(key.PK + "|" + key.SK))
	return logEventPrefix + hex.EncodeToString(sum[:16])
}

func fromLog(r *stream.Record) bool { return strings.HasPrefix(r.EventID, logEventPrefix) }
