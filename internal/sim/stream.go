package sim

import (
	"context"
	"fmt"
	"slices"

	"github.com/postroom/postroom/backend"
)

type streamView struct {
	s    *Store
	name string
}

func (sh *shard) listed() backend.Shard {
	listed := backend.Shard{ID: sh.id, Parent: sh.parent}
	if sh.closed || sh.shows {
		listed.Ending = "999999999999999999999"
	}
	return listed
}

func (v *streamView) Shards(_ context.Context, after string) (backend.ShardPage, error) {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	page := backend.ShardPage{StreamARN: "arn:sim:" + v.name}
	shards := v.s.table(v.name).shards
	if after != "" {
		i := slices.IndexFunc(shards, func(sh *shard) bool { return sh.id == after })
		shards = shards[i+1:]
	}
	for _, sh := range shards {
		page.Shards = append(page.Shards, sh.listed())
		if len(page.Shards) == 2 && v.s.rng.IntN(2) == 0 {
			page.Last = sh.id
			break
		}
	}
	return page, nil
}

func (v *streamView) Children(_ context.Context, _, parent string) ([]backend.Shard, error) {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	var children []backend.Shard
	for _, sh := range v.s.table(v.name).shards {
		if sh.parent == parent {
			children = append(children, sh.listed())
		}
	}
	return children, nil
}

func (v *streamView) Iterator(_ context.Context, _, id string, at backend.Position) (string, error) {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	sh := v.find(id)
	if sh == nil {
		return "", fail("Iterator "+id, backend.KindNotFound)
	}
	n := 0
	switch at.Type {
	case backend.Latest:
		n = len(sh.records)
	case backend.AtSequence, backend.AfterSequence:
		for n < len(sh.records) && backend.CompareSequence(sh.records[n].Sequence, at.Sequence) < 0 {
			n++
		}
		if at.Type == backend.AfterSequence && n < len(sh.records) && sh.records[n].Sequence == at.Sequence {
			n++
		}
	}
	return fmt.Sprintf("%s %d", id, n), nil
}

func (v *streamView) find(id string) *shard {
	for _, sh := range v.s.table(v.name).shards {
		if sh.id == id {
			return sh
		}
	}
	return nil
}

func (v *streamView) Records(_ context.Context, iterator string, limit int) (backend.RecordPage, error) {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	var id string
	var from int
	if _, err := fmt.Sscanf(iterator, "%s %d", &id, &from); err != nil {
		return backend.RecordPage{}, fail("Records "+iterator, backend.KindInvalid)
	}
	sh := v.find(id)
	if !v.s.Calm {
		limit = min(limit, 1+v.s.rng.IntN(20))
		if v.s.rng.IntN(8) == 0 {
			limit = 0 // an empty page is not the end
		}
	}
	to := min(len(sh.records), from+limit)
	page := backend.RecordPage{Records: slices.Clone(sh.records[from:to])}
	if !sh.closed || to < len(sh.records) {
		page.Next = fmt.Sprintf("%s %d", id, to)
	}
	return page, nil
}

func (v *streamView) Changed() <-chan struct{} { return nil }
