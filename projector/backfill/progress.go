package backfill

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/conditional"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/internal/longscan"
)

const (
	attrSegments  = "segments"
	attrGaps      = "gaps"
	attrStartedAt = "started_at"
	attrUpdatedAt = "updated_at"
	attrVersion   = "version"
	attrWriter    = "writer"
	attrGapID     = "id"
)

// errOvertaken says that another leader has written the progress of the scan
// meanwhile: look again.
var errOvertaken = errors.New("another leader scans the log")

// progress is how far a scan of the log is, in one item: all that has to change
// together.
type progress struct {
	sk        string           // follows from the gaps, so that two leaders begin one scan
	gaps      map[string]int64 // revisions, by id
	segments  []longscan.Segment
	startedAt time.Time
	updatedAt time.Time
	counts    Counts
	version   int64 // grows with every write
	writer    string
}

func newProgress(gaps []Gap, segments int, writer string, now time.Time) progress {
	h := sha256.New()
	revisions := map[string]int64{}
	for _, g := range gaps { // in the order of their keys
		h.Write(fmt.Appendf(nil, "%s %d|", g.ID, g.revision))
		revisions[g.ID] = g.revision
	}
	return progress{
		sk: scanPrefix + hex.EncodeToString(h.Sum(nil)[:8]), gaps: revisions,
		segments: make([]longscan.Segment, segments), startedAt: now, updatedAt: now, writer: writer,
	}
}

func (p progress) key() backend.Key { return backend.Key{PK: partition, SK: p.sk} }

// unchanged holds while nobody else has written the item since.
func (p progress) unchanged() backend.Condition {
	return backend.Condition{Equals: backend.Item{attrVersion: item.Int(p.version), attrWriter: item.String(p.writer)}}
}

func (p progress) encode() backend.Item {
	var gaps []backend.Item
	for _, id := range slices.Sorted(maps.Keys(p.gaps)) {
		gaps = append(gaps, backend.Item{attrGapID: item.String(id), attrRevision: item.Int(p.gaps[id])})
	}
	it := item.New(p.key(), format)
	it[attrSegments], it[attrGaps] = item.Maps(longscan.Encode(p.segments)), item.Maps(gaps)
	it[attrStartedAt], it[attrUpdatedAt] = item.Time(p.startedAt), item.Time(p.updatedAt)
	it[attrVersion], it[attrWriter] = item.Int(p.version), item.String(p.writer)
	p.counts.encode(it)
	return it
}

func decodeProgress(it backend.Item) (progress, error) {
	d := item.Decode(it, format)
	p := progress{
		sk: d.String(backend.AttrSK), startedAt: d.Time(attrStartedAt), updatedAt: d.Time(attrUpdatedAt),
		counts: decodeCounts(d), version: d.Int(attrVersion, 0), writer: d.String(attrWriter),
		gaps: map[string]int64{},
	}
	p.segments = longscan.Decode(d, attrSegments)
	last := ""
	d.Maps(attrGaps, func(d *item.Decoder) {
		id := d.String(attrGapID)
		d.Check(attrGapID, len(p.gaps) == 0 || id > last, "it comes twice, or not in its order")
		p.gaps[id], last = d.Int(attrRevision, 1), id
	})
	d.Check(attrSegments, len(p.segments) > 0, "there are none")
	return p, d.Err()
}

// write writes the progress of a scan. The error is errOvertaken if the condition
// fails, unless it was our own write whose answer was lost.
func (s store) write(ctx context.Context, p progress, c backend.Condition) error {
	found, err := conditional.Put(ctx, s.table, p.encode(), c, decodeProgress)
	switch {
	case found == nil:
		return err
	case err == nil && found.writer == p.writer && found.version == p.version:
		return nil
	}
	return errOvertaken
}
