package rebuild

import (
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/fuzz"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/internal/longscan"
)

// An item is refused, or it is a rebuild that is stored as that item again.
func FuzzJob(f *testing.F) {
	at := time.Date(2026, 5, 21, 10, 30, 0, 5, time.UTC)
	all := Job{
		ID: "abc", Rate: 500, State: Running, AskedAt: at, UpdatedAt: at, Worked: 3 * time.Second, Expected: 7,
		Counts: Counts{1, 2, 3, 4, 5}, Failures: []Failure{{id(1), "lost"}}, Worker: "ann", writer: "w", version: 3,
		segments: []longscan.Segment{{After: backend.Key{PK: "p", SK: "s"}}, {Done: true}},
	}
	groups, users := all, all
	groups.Scope.Groups, groups.segments, groups.Failures = []string{id(1), id(2)}, nil, nil
	users.Scope.Users, users.State, users.EndedAt = []string{id(3)}, Stopped, at
	fuzz.Items(f, func(it backend.Item) (backend.Item, error) {
		j, err := decode(it)
		if err != nil {
			return nil, err
		}
		again := j.encode()
		for _, name := range []string{backend.AttrPK, backend.AttrSK, item.AttrFormat} {
			again[name] = it[name] // by these it was found
		}
		return again, nil
	}, all.encode(), groups.encode(), users.encode())
}
