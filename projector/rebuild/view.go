package rebuild

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/batch"
	"github.com/postroom/postroom/internal/longscan"
	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/internal/views"
	"github.com/postroom/postroom/projector/projection"
)

// settle waits until nobody goes by the views of before, if nothing was done yet.
func (r *run) settle(ctx context.Context, begun Job) error {
	if r.scope.View == "" || begun.Counts.Read > 0 {
		return nil
	}
	return retry.Sleep(ctx, views.Settle, nil)
}

// settled reports whether there is nothing to do about a conversation, by its head: its
// rows are in the views of the generation.
func (r *run) settled(it backend.Item) bool {
	h, err := projection.DecodeHead(it)
	return err == nil && h.Settled(r.scope.Generation)
}

// finish does what follows when each conversation is in the views of the generation: it says
// that the view is filled, or deletes its rows.
func (r *run) finish(ctx context.Context) error {
	switch {
	case r.scope.View == "":
		return nil
	case r.scope.Drop:
		return r.drop(ctx)
	}
	r.mu.Lock()
	failed := r.job.Counts.Failed
	r.mu.Unlock()
	if failed > 0 { // perhaps those that nobody has opened, which have no rows
		whole, err := r.whole(ctx)
		if err != nil || !whole {
			return err
		}
	}
	return r.by.loop.Do(ctx, "view", func(ctx context.Context) error {
		err := views.Filled(ctx, r.by.Log, r.scope.View, r.scope.Generation)
		if errors.Is(err, views.ErrRefused) {
			return nil // it was dropped meanwhile
		}
		return err
	})
}

// drop deletes all rows of the view, and then forgets it. Every head is past it, so nobody
// puts any more.
func (r *run) drop(ctx context.Context) error {
	view := views.View{View: postroom.View{Name: r.scope.View}}
	err := r.each(ctx, func(ctx context.Context, page backend.Page) error {
		var keys []backend.Key
		for _, it := range page.Items {
			if key := backend.KeyOf(it); view.Holds(key) {
				keys = append(keys, key)
			}
		}
		var a account
		err := r.by.loop.Do(ctx, "view", func(ctx context.Context) error {
			return batch.NewTable(r.pace.Table(a.table(r.by.Log))).Delete(ctx, keys)
		})
		r.done(outcome{units: a.units}, func(*Job) {})
		return err
	})
	if err != nil {
		return err
	}
	return r.by.loop.Do(ctx, "view", func(ctx context.Context) error {
		return views.Remove(ctx, r.by.Log, r.scope.View, r.scope.Generation)
	})
}

// whole reports whether each head is in the views of the generation.
func (r *run) whole(ctx context.Context) (bool, error) {
	errMissing := errors.New("a head is not in the view")
	err := r.each(ctx, func(_ context.Context, page backend.Page) error {
		for _, it := range page.Items {
			if isHead(backend.KeyOf(it)) && !r.settled(it) {
				return errMissing
			}
		}
		return nil
	})
	if errors.Is(err, errMissing) {
		return false, nil
	}
	return err == nil, err
}

// each reads the whole table once more. What is done with a page may remove all of it: that
// begins when the next one is read, since some servers lose their place where the key is
// gone that they go on after.
func (r *run) each(ctx context.Context, do func(context.Context, backend.Page) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for i := range r.segments {
		g.Go(func() error {
			var before backend.Page
			for at := (longscan.Segment{}); !at.Done; {
				page, units, err := r.page(ctx, i, at.After)
				if err == nil {
					err = do(ctx, before)
				}
				if err != nil {
					return err
				}
				before = page
				r.done(outcome{Counts: Counts{Read: int64(len(page.Items))}, units: units}, func(*Job) {})
				if at.Done = page.Last == nil; !at.Done {
					at.After = *page.Last
				}
			}
			return do(ctx, before)
		})
	}
	return g.Wait()
}
