package views

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/batch"
)

const (
	// MaxAge is how old what somebody knows of the views may be when it is gone by.
	MaxAge = 5 * time.Second
	// Settle is how long after a change nobody goes by what was before it.
	Settle = MaxAge + time.Second
)

// Known is what a worker or a reader knows of a table's views. It makes one call when it
// is asked and what it knows is too old, and none otherwise. It is safe for concurrent use.
type Known struct {
	table   batch.Table
	reading *semaphore.Weighted // one call at a time

	mu  sync.Mutex
	set Set
	at  time.Time // before it was read; zero: not yet
}

// NewKnown returns one that knows nothing yet. It makes no call.
func NewKnown(t backend.Table) *Known {
	return &Known{table: batch.NewTable(t), reading: semaphore.NewWeighted(1), set: none()}
}

// Last returns what was read last, and how old it is: without bound, if it is only
// supposed. It makes no call.
func (k *Known) Last() (Set, time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.at.IsZero() {
		return k.set, 1<<63 - 1
	}
	return k.set, time.Since(k.at)
}

// Within returns what is known if it is no older than age, and otherwise what is read now.
func (k *Known) Within(ctx context.Context, age time.Duration) (Set, error) {
	if set, old := k.Last(); old < age {
		return set, nil
	}
	if err := k.reading.Acquire(ctx, 1); err != nil {
		return Set{}, err
	}
	defer k.reading.Release(1)
	if set, old := k.Last(); old < age {
		return set, nil // read meanwhile
	}
	at := time.Now()
	set, err := read(ctx, k.table)
	if err != nil {
		return Set{}, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.set, k.at = set, at
	return set, nil
}

// Read reads the views of a table.
func Read(ctx context.Context, t backend.Table) (Set, error) { return read(ctx, batch.NewTable(t)) }

func read(ctx context.Context, t batch.Table) (Set, error) {
	it, err := t.Get(ctx, Key())
	if err != nil || it == nil {
		return none(), err
	}
	return Decode(it)
}
