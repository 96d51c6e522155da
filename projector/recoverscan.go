package projector

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"github.com/postroom/postroom/backend"
)

const (
	attrSegments  = "segments"
	attrGaps      = "gaps"
	attrStartedAt = "started_at"
	attrUpdatedAt = "updated_at"
	attrVersion   = "version"
	attrRun       = "run"
	attrDone      = "done"
	attrGapID     = "id"

	// saveInterval is how often the progress of a scan is written: what was done
	// since is done again after a crash.
	saveInterval = time.Second
)

// scanItem is the progress of one scan of the log, in one item: all that has to
// change together.
type scanItem struct {
	sk        string // follows from the gaps, so that two leaders begin one scan
	gaps      []Gap  // by id and how often they were told
	segments  []segmentProgress
	startedAt time.Time
	updatedAt time.Time
	counts    RecoveryCounts
	version   int64  // grows with every writing
	run       string // who wrote it
}

// segmentProgress is the last key up to which everything is durably done.
type segmentProgress struct {
	after backend.Key
	done  bool
}

func newScanItem(gaps []Gap, segments int, run string, now time.Time) scanItem {
	h := sha256.New()
	for _, g := range gaps { // in the order of their keys
		h.Write(fmt.Appendf(nil, "%s %d|", g.ID, g.told))
	}
	return scanItem{
		sk: scanPrefix + hex.EncodeToString(h.Sum(nil)[:8]), gaps: gaps,
		segments: make([]segmentProgress, segments), startedAt: now, updatedAt: now, run: run,
	}
}

func (s scanItem) key() backend.Key { return backend.Key{PK: recoveryPK, SK: s.sk} }

// unchanged holds while nobody else has written the item since.
func (s scanItem) unchanged() backend.Condition {
	return backend.Condition{Equals: backend.Item{attrVersion: number(s.version), attrRun: text(s.run)}}
}

func (s scanItem) encode() backend.Item {
	segments := make([]types.AttributeValue, len(s.segments))
	for i, p := range s.segments {
		segments[i] = &types.AttributeValueMemberM{Value: backend.Item{
			backend.AttrPK: text(p.after.PK), backend.AttrSK: text(p.after.SK), attrDone: flag(p.done),
		}}
	}
	gaps := make([]types.AttributeValue, len(s.gaps))
	for i, g := range s.gaps {
		gaps[i] = &types.AttributeValueMemberM{Value: backend.Item{attrGapID: text(g.ID), attrTold: number(g.told)}}
	}
	item := backend.Item{
		backend.AttrPK: text(recoveryPK), backend.AttrSK: text(s.sk),
		attrSegments: &types.AttributeValueMemberL{Value: segments}, attrGaps: &types.AttributeValueMemberL{Value: gaps},
		attrStartedAt: stamp(s.startedAt), attrUpdatedAt: stamp(s.updatedAt),
		attrVersion: number(s.version), attrRun: text(s.run),
	}
	s.counts.encode(item)
	return item
}

func decodeScan(item backend.Item) (scanItem, error) {
	f := fields{item: item}
	s := scanItem{
		sk: f.text(backend.AttrSK), startedAt: f.time(attrStartedAt), updatedAt: f.time(attrUpdatedAt),
		counts: decodeCounts(&f), version: f.number(attrVersion), run: f.text(attrRun),
	}
	for _, m := range f.maps(attrSegments) {
		s.segments = append(s.segments, segmentProgress{backend.KeyOf(m), isTrue(m, attrDone)})
	}
	for _, m := range f.maps(attrGaps) {
		g := fields{item: m}
		s.gaps = append(s.gaps, Gap{ID: g.text(attrGapID), told: g.number(attrTold)})
		f.err = errors.Join(f.err, g.err)
	}
	if len(s.segments) == 0 {
		f.fail(attrSegments, errors.New("there are none"))
	}
	return s, f.err
}

// begin writes a scan that is not there yet.
func (t gapTable) begin(ctx context.Context, s scanItem) error {
	return t.write(ctx, s, backend.Condition{Absent: true})
}

// write writes the progress of a scan. The error is errOvertaken if the
// condition fails, unless it was our own write whose answer was lost.
func (t gapTable) write(ctx context.Context, s scanItem, c backend.Condition) error {
	err := t.put(ctx, s.encode(), c)
	var failed *backend.Error
	if !errors.As(err, &failed) || failed.Kind != backend.KindConditionFailed {
		return err
	}
	if failed.Item != nil {
		if found, err := decodeScan(failed.Item); err == nil && found.run == s.run && found.version == s.version {
			return nil
		}
	}
	return errOvertaken
}

// scan is one scan of the log as this worker runs it.
type scan struct {
	*recovery

	segments int
	ranges   []Gap // that it closes, as they are recorded

	// mu is held over the writing of the item. It is a channel, since waiting for
	// a mutex is not waiting in the eyes of testing/synctest.
	mu    chan struct{}
	item  scanItem // as it was written last, or is about to be
	saved time.Time
}

// newScan makes this worker the one that runs a scan. What is recorded of its
// gaps is among recorded; who wrote the item before fails from the next writing
// on.
func (r *recovery) newScan(item scanItem, recorded []Gap) *scan {
	s := &scan{recovery: r, mu: make(chan struct{}, 1), segments: len(item.segments), item: item, saved: time.Now()}
	for _, g := range recorded {
		for _, mine := range item.gaps {
			if g.ID == mine.ID {
				s.ranges = append(s.ranges, g)
			}
		}
	}
	return s
}

func (s *scan) lock() { s.mu <- struct{}{} }

func (s *scan) unlock() { <-s.mu }

// readAll reads all segments to their ends, until everything in them is done.
func (s *scan) readAll(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for i := range s.segments {
		g.Go(func() error { return s.runSegment(ctx, i) })
	}
	return g.Wait()
}

// at is how far a segment is done.
func (s *scan) at(i int) segmentProgress {
	s.lock()
	defer s.unlock()
	return s.item.segments[i]
}

// advance notes how far a segment is done, with what counts came to that, and
// writes it if it is time, or if the segment is done.
func (s *scan) advance(ctx context.Context, i int, to segmentProgress, counts RecoveryCounts) error {
	s.lock()
	defer s.unlock()
	s.item.segments[i] = to
	s.item.counts = s.item.counts.add(counts)
	if !to.done && time.Since(s.saved) < saveInterval {
		return nil
	}
	return s.insist(ctx, "progress", func() error { return s.save(ctx) })
}

// save writes the item, with s.mu held.
func (s *scan) save(ctx context.Context) error {
	condition := s.item.unchanged()
	next := s.item
	next.version++
	next.run, next.updatedAt = s.run, s.now()
	if err := s.gaps.write(ctx, next, condition); err != nil {
		return err
	}
	s.item, s.saved = next, time.Now()
	return nil
}

// finish marks the gaps as closed that were not recorded again meanwhile, and
// removes the scan.
func (s *scan) finish(ctx context.Context) error {
	now := s.now()
	for _, g := range s.ranges {
		for _, mine := range s.item.gaps {
			if mine.ID != g.ID || mine.told != g.told || g.state() != stateOpen {
				continue
			}
			done := g
			done.FinishedAt, done.Counts = now, s.item.counts
			err := s.gaps.put(ctx, done.encode(), g.unchanged())
			if err != nil && backend.KindOf(err) != backend.KindConditionFailed {
				return err
			}
		}
	}
	if err := s.gaps.delete(ctx, []backend.Key{s.item.key()}); err != nil {
		return err
	}
	c := s.item.counts
	s.p.log.Info("recovered from the log", "gaps", len(s.item.gaps), "messages", c.Read,
		"projected", c.Projected, "notified", c.Notified, "unnotified", c.Unnotified,
		"after", now.Sub(s.item.startedAt).Round(time.Millisecond).String())
	return nil
}
