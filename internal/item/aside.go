package item

import (
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/postroom/postroom/backend"
)

// Aside keeps the damaged items that a daemon has come across and leaves aside, so
// that each is logged once, however often it is read, and can be asked for. It is
// safe for concurrent use. There are at most as many as the table holds.
type Aside struct {
	log *slog.Logger

	mu    sync.Mutex
	found map[string]map[backend.Key]*DamageError // by where they were looked for
}

// NewAside returns one that holds nothing and logs to log.
func NewAside(log *slog.Logger) *Aside {
	return &Aside{log: log, found: map[string]map[backend.Key]*DamageError{}}
}

// Set says which items are damaged among all that were just read in one place.
// Those that were there before, and are not any more, are forgotten.
func (a *Aside) Set(place string, all []*DamageError) {
	if a == nil {
		return // for those who only look
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	now := map[backend.Key]*DamageError{}
	for _, d := range all {
		now[d.Key] = d
		if a.found[place][d.Key] == nil {
			a.log.Error("an item of the control table is damaged and left aside: run `postroom repair`",
				"PK", d.Key.PK, "SK", d.Key.SK, "error", d.Err)
		}
	}
	if len(now) == 0 {
		delete(a.found, place)
		return
	}
	a.found[place] = now
}

// Replaced says that a damaged item was found that can be made anew, and was.
func (a *Aside) Replaced(d *DamageError) {
	if a != nil {
		a.log.Warn("an item of the control table was damaged, and was replaced", "PK", d.Key.PK, "SK", d.Key.SK, "error", d.Err)
	}
}

// All returns the damaged items, in the order of their keys.
func (a *Aside) All() []*DamageError {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := map[backend.Key]*DamageError{}
	for _, found := range a.found {
		maps.Copy(all, found)
	}
	return slices.SortedFunc(maps.Values(all), func(x, y *DamageError) int { return x.Key.Compare(y.Key) })
}
