package rebuild

import (
	"context"
	"strings"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/batch"
)

const (
	// sampled is how many items an estimate reads, at least, and samples of how many
	// segments; a small table it reads as a whole.
	sampled         = 2000
	sampledSegments = 16
	// mostSegments is how many segments the first, smallest sample divides the table into.
	mostSegments = 1 << 16
	// restoreUnits is what it costs to hold a conversation against its log, its members'
	// rows not counted, and rowUnits what a row costs, as measured of conversations of two.
	restoreUnits = 4
	rowUnits     = 2
)

// Estimate is about what a table holds.
type Estimate struct {
	Items, Messages, Conversations, Rows int64
	// ScanUnits is how many read units it takes to read all of it, and Units how many a
	// rebuild of everything does. What that has to change comes on top.
	ScanUnits, Units int64
}

// EstimateOf estimates what a table holds, by a sample of it of a few thousand items.
func EstimateOf(ctx context.Context, log backend.Table) (Estimate, error) {
	table := batch.NewTable(log)
	for n := mostSegments; ; n /= 4 {
		var e Estimate
		var bytes int64
		chosen := min(sampledSegments, n)
		for i := range chosen {
			last := "" // partition
			q := backend.Scan{Segment: i * (n / chosen), Segments: n}
			for it, err := range table.Scan(ctx, q) {
				if err != nil {
					return Estimate{}, err
				}
				key := backend.KeyOf(it)
				e.add(key, key.PK != last)
				last = key.PK
				bytes += int64(backend.ItemBytes(it))
			}
		}
		if e.Items >= sampled || n == 1 {
			e.ScanUnits = (bytes + backend.ReadUnitBytes - 1) / backend.ReadUnitBytes
			return e.times(int64(n / chosen)), nil
		}
	}
}

// add counts an item, which is the first one of its partition or not. A conversation may
// have no head.
func (e *Estimate) add(key backend.Key, first bool) {
	e.Items++
	if _, _, row := postroom.ParseInboxKey(key.PK); row {
		e.Rows++
		return
	}
	if isMessage(key) {
		e.Messages++
	}
	if first && (isHead(key) || isMessage(key)) {
		e.Conversations++
	}
}

// times is the estimate of n such samples.
func (e Estimate) times(n int64) Estimate {
	return Estimate{
		Items: n * e.Items, Messages: n * e.Messages, Conversations: n * e.Conversations, Rows: n * e.Rows,
		ScanUnits: n * e.ScanUnits, Units: n * (e.ScanUnits + restoreUnits*e.Conversations + rowUnits*e.Rows),
	}
}

func isHead(key backend.Key) bool { return key.SK == postroom.HeadKey }

func isMessage(key backend.Key) bool { return strings.HasPrefix(key.SK, postroom.MessagePrefix) }
