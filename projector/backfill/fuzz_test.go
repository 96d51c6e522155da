package backfill

import (
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/fuzz"
	"github.com/postroom/postroom/internal/longscan"
)

var fuzzedAt = time.Date(2026, 5, 21, 10, 30, 0, 123456789, time.UTC)

// An item is refused, or it is a gap that is stored as that item again.
func FuzzGap(f *testing.F) {
	open := Gap{
		ID: "0011223344556677", StreamARN: "arn:aws:dynamodb:eu-central-1:000000000000:table/postroom/stream/1",
		Shard: "shardId-1", Reason: "it was trimmed", After: "100000000000000000000000000001",
		From: fuzzedAt.Add(-time.Hour), Until: fuzzedAt, FoundAt: fuzzedAt, revision: 1,
	}
	done := open
	done.FinishedAt, done.Silent, done.Counts = fuzzedAt, true, Counts{Read: 4, Projected: 3, Notified: 2, Unnotified: 1}
	fuzz.Items(f, func(it backend.Item) (backend.Item, error) {
		g, err := decodeGap(it)
		if err != nil {
			return nil, err
		}
		return withKey(g.encode(), it), nil
	}, open.encode(), done.encode())
}

// An item is refused, or it is the progress of a scan that is stored as that item again.
func FuzzProgress(f *testing.F) {
	begun := newProgress([]Gap{{ID: "a", revision: 1}, {ID: "b", revision: 2}}, 2, "ann", fuzzedAt)
	later := begun
	later.version, later.segments = 3, []longscan.Segment{{After: backend.Key{PK: "p", SK: "s"}}, {Done: true}}
	fuzz.Items(f, func(it backend.Item) (backend.Item, error) {
		p, err := decodeProgress(it)
		if err != nil {
			return nil, err
		}
		return withKey(p.encode(), it), nil
	}, begun.encode(), later.encode())
}

// withKey gives an item the key, and the format, of another: by these it was found.
func withKey(it, of backend.Item) backend.Item {
	for _, name := range []string{backend.AttrPK, backend.AttrSK, "format"} {
		it[name] = of[name]
	}
	return it
}
