package inbox

import (
	"context"
	"fmt"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/internal/views"
)

// pointerAge is how old what is known of the live view may be when a page is read. All
// readers have switched within that time, and each process reads one item in it at most.
const pointerAge = time.Second

// live reads a page of the live view. Which one that is, is read again at the same time as
// the page if it is not known from a moment ago; then the page is read once more if it was
// another view's. A view that was dropped keeps its rows for longer than [views.MaxAge], so
// an answer that came within that time is a whole one.
func (in *Inbox) live(ctx context.Context, read func(postroom.View) (Page[postroom.Group], error)) (Page[postroom.Group], error) {
	for {
		set, _ := in.views.Last()
		view := set.LiveView()
		known := make(chan error, 1)
		go func() {
			_, err := in.views.Within(ctx, pointerAge)
			known <- err
		}()
		page, err := read(view.View)
		unknown := <-known
		if _, old := in.views.Last(); old >= views.MaxAge && unknown == nil { // either call took long
			_, unknown = in.views.Within(ctx, views.MaxAge)
		}
		now, old := in.views.Last()
		switch {
		case err != nil:
			return page, err
		case unknown != nil && old >= views.MaxAge:
			return Page[postroom.Group]{}, fmt.Errorf("which view is read: %w", unknown)
		case now.LiveView() == view:
			return page, nil
		}
	}
}

// kept returns an error unless a view is still there.
func (in *Inbox) kept(ctx context.Context, view views.View) error {
	set, err := in.views.Within(ctx, pointerAge)
	if err != nil {
		return err
	}
	if now, ok := set.View(view.Name); !ok || now != view {
		return fmt.Errorf("view %s was dropped meanwhile, and rows of it may be missing: begin again", view.Name)
	}
	return nil
}
