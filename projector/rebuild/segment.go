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
	// A page is what costs about as much as a tenth of a second's units buy.
	leastPage, mostPage = 25, 250
	// parallel is how many conversations of a page are held against their logs at once.
	parallel = 4
)

// segment rebuilds what is in a segment of the table, from where that is done.
func (r *run) segment(ctx context.Context, i int, at longscan.Segment) error {
	last := "" // the conversation that was rebuilt last
	for !at.Done {
		page, units, err := r.page(ctx, i, at.After)
		if err != nil {
			return err
		}
		tasks := r.tasks(page.Items, &last)
		o, err := r.doAll(ctx, tasks)
		if err != nil {
			return err
		}
		at.Done = page.Last == nil
		if !at.Done {
			at.After = *page.Last
		}
		o.Read += int64(len(page.Items))
		o.units += units
		r.done(o, func(j *Job) { j.segments[i] = at })
	}
	return nil
}

// page reads the next page of a segment, and what it cost.
func (r *run) page(ctx context.Context, i int, after backend.Key) (page backend.Page, units float64, err error) {
	q := backend.Scan{
		Segment: i, Segments: r.segments, After: after, Consistent: true,
		Limit: min(mostPage, max(leastPage, r.rate/10)),
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

// tasks returns what follows from a page. Last is the conversation that was rebuilt last:
// its items follow one another.
func (r *run) tasks(items []backend.Item, last *string) (tasks []*task) {
	byGroup := map[string]*task{}
	of := func(group string) *task {
		if byGroup[group] == nil {
			byGroup[group] = &task{group: group}
			tasks = append(tasks, byGroup[group])
		}
		return byGroup[group]
	}
	for _, it := range items {
		key := backend.KeyOf(it)
		if r.scope.View != "" && (!isHead(key) && !isMessage(key) || isHead(key) && r.settled(it)) {
			*last = key.PK
			continue
		}
		if _, user, isRow := postroom.ParseInboxKey(key.PK); isRow {
			if _, group, err := postroom.ParseRowKey(key.SK); err == nil && r.about(user) {
				t := of(group)
				t.rows = append(t.rows, key)
			}
			continue
		}
		if key.PK != *last && (isHead(key) || isMessage(key)) && r.isAbout(it) {
			of(key.PK).log = true
			*last = key.PK
		}
	}
	return tasks
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
