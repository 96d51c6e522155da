package rebuild

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/longscan"
)

const (
	// A page has as many items as units may be consumed in a second, within bounds.
	leastPage, mostPage = 25, 250
	// parallel is how many conversations of a segment are held against their logs at once.
	// The progress is noted after that many.
	parallel = 4
)

// segment rebuilds what is in a segment of the table, from where that is done.
func (r *run) segment(ctx context.Context, i int, at longscan.Segment) error {
	last := "" // the conversation that was rebuilt last: its items follow one another
	if len(r.scope.Users) == 0 {
		last = at.After.PK
	}
	for !at.Done {
		page, units, err := r.page(ctx, i, at.After)
		if err != nil {
			return err
		}
		r.done(outcome{units: units}, func(*Job) {})
		for left := page.Items; len(left) > 0; {
			tasks, n := r.tasks(left, &last)
			o, err := r.doAll(ctx, tasks)
			if err != nil {
				return err
			}
			at.After = backend.KeyOf(left[n-1])
			left, o.Read = left[n:], int64(n)
			r.done(o, func(j *Job) { j.segments[i] = at })
		}
		if at.Done = page.Last == nil; !at.Done {
			at.After = *page.Last
		}
		r.done(outcome{}, func(j *Job) { j.segments[i] = at })
	}
	return nil
}

// page reads the next page of a segment, and what it cost.
func (r *run) page(ctx context.Context, i int, after backend.Key) (page backend.Page, units float64, err error) {
	q := backend.Scan{
		Segment: i, Segments: r.segments, After: after, Consistent: true,
		Limit: min(mostPage, max(leastPage, r.rate)),
	}
	err = r.by.loop.Do(ctx, fmt.Sprint("segment ", i), func(ctx context.Context) (err error) {
		if err = r.pace.Take(ctx, 1); err != nil {
			return err
		}
		page, err = r.by.Log.Scan(ctx, q)
		return err
	})
	units = longscan.ReadUnits(page)
	r.pace.Charge(units - 1)
	return page, units, err
}

// task is what there is to do about a conversation, on account of a page.
type task struct {
	group string
	log   bool          // it is to be rebuilt
	rows  []backend.Key // that may be leftover ones
}

// tasks returns what follows from the first items of a page, for so many conversations
// as are worked on at once, and how many items these are. Last is the conversation that
// was rebuilt last.
func (r *run) tasks(items []backend.Item, last *string) (tasks []*task, n int) {
	for _, it := range items {
		key := backend.KeyOf(it)
		_, user, isRow := postroom.ParseInboxKey(key.PK)
		_, group, err := postroom.ParseRowKey(key.SK)
		ofLog := isHead(key) || isMessage(key)
		switch {
		case r.scope.View != "" && (!ofLog || isHead(key) && r.settled(it)):
			*last = key.PK
		case isRow && err == nil && r.about(user):
			t := of(&tasks, group)
			t.rows = append(t.rows, key)
		case !isRow && ofLog && key.PK != *last && r.isAbout(it):
			of(&tasks, key.PK).log = true
			*last = key.PK
		}
		if n++; len(tasks) == parallel {
			break
		}
	}
	return tasks, n
}

// of returns the task about a conversation, which it adds if there is none.
func of(tasks *[]*task, group string) *task {
	for _, t := range *tasks {
		if t.group == group {
			return t
		}
	}
	t := &task{group: group}
	*tasks = append(*tasks, t)
	return t
}

// about reports whether the rebuild is about a user.
func (r *run) about(user string) bool {
	_, found := slices.BinarySearch(r.scope.Users, user)
	return found || len(r.scope.Users) == 0
}

// isAbout reports whether an item says that the rebuild is about its conversation. Where
// it is about users, that is the message which names them as members.
func (r *run) isAbout(it backend.Item) bool {
	if len(r.scope.Users) == 0 {
		return true
	}
	m, err := postroom.MessageFromItem(it)
	return err == nil && slices.ContainsFunc(m.Members, func(p postroom.Member) bool { return r.about(p.UserUUID) })
}

// doAll does what there is to do, several at once.
func (r *run) doAll(ctx context.Context, tasks []*task) (all outcome, err error) {
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for _, t := range tasks {
		g.Go(func() error {
			o, err := r.do(ctx, t)
			mu.Lock()
			defer mu.Unlock()
			all.add(o)
			return err
		})
	}
	return all, g.Wait()
}
