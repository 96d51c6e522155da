package projector

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/postroom/postroom/backend"
)

// maxFinished is how many finished gaps a [Recovery] lists.
const maxFinished = 10

// Recovery is how the recovery of what was lost to the stream gets on.
type Recovery struct {
	Open     []Gap         // in the order in which they were found
	Scan     *RecoveryScan // nil: none runs
	Finished []Gap         // the last ten, the latest first
}

// RecoveryScan is the scan of the log that closes gaps.
type RecoveryScan struct {
	StartedAt time.Time
	UpdatedAt time.Time // when progress was last written
	Gaps      int       // that it closes
	Segments  int       // of the log, read side by side
	Done      int       // of these
	Counts    RecoveryCounts
}

// ReadRecovery reads from a control table what is lost, and how far it is
// recovered. It needs no Projector and disturbs none.
func ReadRecovery(ctx context.Context, control backend.Table) (Recovery, error) {
	state, err := gapTable{retrying{control}}.read(ctx)
	if err != nil {
		return Recovery{}, err
	}
	r := Recovery{Open: state.openGaps()}
	slices.SortStableFunc(r.Open, func(a, b Gap) int { return a.FoundAt.Compare(b.FoundAt) })
	for _, g := range state.gaps {
		if g.state() == stateDone {
			r.Finished = append(r.Finished, g)
		}
	}
	slices.SortStableFunc(r.Finished, func(a, b Gap) int {
		return cmp.Or(b.FinishedAt.Compare(a.FinishedAt), b.FoundAt.Compare(a.FoundAt))
	})
	r.Finished = r.Finished[:min(len(r.Finished), maxFinished)]
	if len(state.scans) > 0 {
		r.Scan = state.scans[0].status()
	}
	return r, nil
}

func (s scanItem) status() *RecoveryScan {
	status := &RecoveryScan{
		StartedAt: s.startedAt, UpdatedAt: s.updatedAt,
		Gaps: len(s.gaps), Segments: len(s.segments), Counts: s.counts,
	}
	for _, p := range s.segments {
		if p.done {
			status.Done++
		}
	}
	return status
}

// recoveryState is all that stands in the control table on recovery, in the
// order of the keys.
type recoveryState struct {
	gaps  []Gap
	scans []scanItem // one, unless two leaders saw different gaps
}

func (s recoveryState) openGaps() []Gap {
	return slices.DeleteFunc(slices.Clone(s.gaps), func(g Gap) bool { return g.state() != stateOpen })
}

func (t gapTable) read(ctx context.Context) (state recoveryState, err error) {
	q := backend.Query{PK: recoveryPK, Consistent: true}
	for {
		page, err := t.query(ctx, q)
		if err != nil {
			return recoveryState{}, err
		}
		for _, item := range page.Items {
			if err := state.add(item); err != nil {
				return recoveryState{}, err
			}
		}
		if page.Last == nil {
			return state, nil
		}
		q.After = *page.Last
	}
}

func (s *recoveryState) add(item backend.Item) error {
	switch sk := backend.KeyOf(item).SK; {
	case strings.HasPrefix(sk, gapPrefix):
		g, err := decodeGap(item)
		s.gaps = append(s.gaps, g)
		return err
	case strings.HasPrefix(sk, scanPrefix):
		scan, err := decodeScan(item)
		s.scans = append(s.scans, scan)
		return err
	}
	return nil
}
