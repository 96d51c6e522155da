package lease

import (
	"context"
	"errors"
	"sync"

	"github.com/postroom/postroom/internal/conditional"
)

// ErrLost says that a lease belongs to another session now, or is gone.
var ErrLost = errors.New("the lease was lost to another worker")

// Handle is a lease that this session has acquired or received. It is safe for
// concurrent use.
type Handle struct {
	store   *Store
	writing conditional.Lock // held over each write of the item

	mu    sync.Mutex
	lease Lease // as it was last written, or found
}

// Handle returns a handle of a lease that this session owns, as it was read.
func (s *Store) Handle(l Lease) *Handle {
	return &Handle{store: s, writing: conditional.NewLock(), lease: l}
}

// Lease returns the lease as it was last written, or found.
func (h *Handle) Lease() Lease {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lease
}

func (h *Handle) set(l Lease) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lease = l
}

// Progress is how far a shard is done.
type Progress struct {
	Checkpoint Position
	Finished   bool
	Lost       string // a loss to be noted; empty: no new one
}

// Save writes the progress, if it is new. It asks for the progress right before
// each write, since an earlier write may turn up whose answer was lost. It returns
// [ErrLost] if the lease is another's. After a Transfer it does nothing: what is
// done since then is for the new owner to do again.
func (h *Handle) Save(ctx context.Context, progress func() Progress) error {
	return h.write(ctx, progress, nil)
}

// Transfer writes the progress, and makes another session the owner.
func (h *Handle) Transfer(ctx context.Context, progress func() Progress, to Owner) error {
	return h.write(ctx, progress, &to)
}

func (h *Handle) write(ctx context.Context, progress func() Progress, to *Owner) error {
	h.writing.Lock()
	defer h.writing.Unlock()
	for {
		cur := h.Lease()
		if cur.Session != h.store.Owner.Session {
			return nil // transferred
		}
		next := cur
		p := progress()
		next.Checkpoint, next.Finished = p.Checkpoint, p.Finished
		if p.Lost != "" {
			next.Lost = p.Lost
		}
		if to != nil {
			next.Owner, next.Epoch = *to, cur.Epoch+1
		}
		if next.same(cur) && next.Lost == cur.Lost && next.Checkpoint.At.Equal(cur.Checkpoint.At) {
			return nil
		}
		if next.Finished {
			next.FinishedAt = h.store.Now()
		}
		found, err := h.store.put(ctx, cur, next)
		switch {
		case err != nil:
			return err
		case found.same(next):
			h.set(next)
			return nil
		case found.Damaged != nil || found.Session != cur.Session || found.Epoch != cur.Epoch || found.same(cur) || found.beyond(next):
			return ErrLost
		}
		h.set(found) // an earlier write of this handle, whose answer was lost
	}
}
