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
	sampled         = 1000
	sampledSegments = 4
	// mostSegments is how many segments the first, smallest sample divides the table into.
	mostSegments = 1 << 16
	// restoreUnits is what it costs to hold a conversation against its log, its members'
	// rows not counted: the head, the opening message, the newest one, and the head's.
	restoreUnits = 4
	// rowUnits is what it costs to look at a row where it is found, and in its place.
	rowUnits = 3
)

// Estimate is about what a table holds.
type Estimate struct {
	Items, Messages, Conversations, Rows int64
	// Units is how many read units a rebuild of all of it takes. What it has to change
	// comes on top.
	Units int64
}

// EstimateOf estimates what a table holds, by a sample of it of a few thousand items.
func EstimateOf(ctx context.Context, log backend.Table) (Estimate, error) {
	table := batch.NewTable(log)
	for n := mostSegments; ; n /= 16 {
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
			return e.times(int64(n/chosen), bytes), nil
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

func (e Estimate) times(n, bytes int64) Estimate {
	return Estimate{
		Items: e.Items * n, Messages: e.Messages * n, Conversations: e.Conversations * n, Rows: e.Rows * n,
		Units: n * ((bytes+backend.ReadUnitBytes-1)/backend.ReadUnitBytes + restoreUnits*e.Conversations + rowUnits*e.Rows),
	}
}

func isHead(key backend.Key) bool { return key.SK == postroom.HeadKey }

func isMessage(key backend.Key) bool { return strings.HasPrefix(key.SK, postroom.MessagePrefix) }
