package backfill

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/batch"
	"github.com/postroom/postroom/internal/item"
)

// Status is what the stream has lost, and how far that is backfilled from the log.
type Status struct {
	Open     []Gap       // in the order in which they were found
	Scan     *ScanStatus // nil: none runs
	Finished []Gap       // the latest first
	// Damaged are gaps and scans that cannot be read. What a gap lost may not be
	// projected; a scan is begun anew.
	Damaged []*item.DamageError
}

// ScanStatus is the scan of the log that closes gaps.
type ScanStatus struct {
	StartedAt time.Time
	UpdatedAt time.Time // when progress was last written
	Gaps      int       // that it closes
	Segments  int       // of the log, read side by side
	Done      int       // of these
	Counts    Counts
}

// ReadStatus reads a control table. It needs no Backfill and disturbs none.
func ReadStatus(ctx context.Context, control backend.Table) (Status, error) {
	snapshot, err := store{batch.NewTable(control)}.read(ctx)
	if err != nil {
		return Status{}, err
	}
	s := Status{Open: snapshot.openGaps(), Damaged: snapshot.damaged}
	slices.SortStableFunc(s.Open, func(a, b Gap) int { return a.FoundAt.Compare(b.FoundAt) })
	for _, g := range snapshot.gaps {
		if g.state() == stateDone {
			s.Finished = append(s.Finished, g)
		}
	}
	slices.SortStableFunc(s.Finished, func(a, b Gap) int {
		return cmp.Or(b.FinishedAt.Compare(a.FinishedAt), b.FoundAt.Compare(a.FoundAt))
	})
	if len(snapshot.scans) > 0 {
		s.Scan = snapshot.scans[0].status()
	}
	return s, nil
}

func (p progress) status() *ScanStatus {
	status := &ScanStatus{
		StartedAt: p.startedAt, UpdatedAt: p.updatedAt,
		Gaps: len(p.gaps), Segments: len(p.segments), Counts: p.counts,
	}
	for _, s := range p.segments {
		if s.Done {
			status.Done++
		}
	}
	return status
}

// snapshot is all gaps and scans of a control table, in the order of the keys.
type snapshot struct {
	gaps    []Gap
	scans   []progress // one, unless two leaders saw different gaps
	damaged []*item.DamageError
	broken  map[backend.Key]backend.Item // those that are damaged, as they are
}

func (s snapshot) openGaps() []Gap {
	return slices.DeleteFunc(slices.Clone(s.gaps), func(g Gap) bool { return g.state() != stateOpen })
}

func (s store) read(ctx context.Context) (all snapshot, err error) {
	all.broken = map[backend.Key]backend.Item{}
	for it, err := range s.table.Query(ctx, backend.Query{PK: partition, Consistent: true}) {
		if err == nil {
			err = all.add(it)
		}
		if err != nil {
			return snapshot{}, err
		}
	}
	return all, nil
}

func (s *snapshot) add(it backend.Item) error {
	switch sk := backend.KeyOf(it).SK; {
	case strings.HasPrefix(sk, gapPrefix):
		g, err := decodeGap(it)
		if err != nil {
			return s.leaveAside(it, err, true)
		}
		s.gaps = append(s.gaps, g)
	case strings.HasPrefix(sk, scanPrefix):
		p, err := decodeProgress(it)
		if err != nil {
			return s.leaveAside(it, err, false)
		}
		s.scans = append(s.scans, p)
	}
	return nil
}

// leaveAside notes a damaged item, so that the others are read. Any other error is
// returned.
func (s *snapshot) leaveAside(it backend.Item, err error, blocks bool) error {
	damage := item.AsDamaged(err)
	if damage == nil {
		return err
	}
	damage.Blocks = blocks
	s.damaged = append(s.damaged, damage)
	s.broken[damage.Key] = it
	return nil
}
