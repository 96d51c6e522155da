package stream

import (
	"cmp"
	"maps"
	"slices"
)

// view is what a worker knows of the fleet at one moment. Nothing in it is a
// clock: every worker that sees the same table comes to the same plan.
type view struct {
	workers []string // runs that live
	leases  map[string]lease
}

// plan says which free leases go to whom, and which leases their owners hand
// over to whom, by shard.
type plan struct {
	take, give map[string]string // shard → run
}

// readable reports whether a shard's turn has come. A parent without a lease is
// gone, since the leader writes leases from parent to child.
func (v view) readable(l lease) bool {
	if l.finished {
		return false
	}
	parent, known := v.leases[l.parent]
	return l.parent == "" || !known || parent.finished
}

// plan shares the readable shards out. Who has too few gets free ones first, and
// then from those who have too many. Nobody who is within one of the others
// moves anything, and nothing moves twice: a lease goes from a worker above its
// share to one below it.
func (v view) plan() plan {
	p := plan{take: map[string]string{}, give: map[string]string{}}
	if len(v.workers) == 0 {
		return p
	}
	held := make(map[string][]string, len(v.workers))
	for _, run := range v.workers {
		held[run] = nil
	}
	var free []string
	for _, shard := range slices.Sorted(maps.Keys(v.leases)) {
		l := v.leases[shard]
		if !v.readable(l) {
			continue
		}
		if _, alive := held[l.run]; alive && l.worker != "" {
			held[l.run] = append(held[l.run], shard)
		} else {
			free = append(free, shard)
		}
	}
	room, spare := share(held, len(free))
	for _, shard := range free {
		p.take[shard] = room[0]
		room = room[1:]
	}
	for i, shard := range spare {
		p.give[shard] = room[i]
	}
	return p
}

// share returns who is to get something, one entry for each lease, and the
// leases of those who have too many. The remainder of the division stays with
// those who have most, so that it moves nothing.
func share(held map[string][]string, free int) (room, spare []string) {
	workers := slices.SortedFunc(maps.Keys(held), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(held[b]), len(held[a])), cmp.Compare(a, b))
	})
	total := free
	for _, shards := range held {
		total += len(shards)
	}
	missing := make(map[string]int, len(workers))
	for i, run := range workers {
		fair := total / len(workers)
		if i < total%len(workers) {
			fair++
		}
		if have := len(held[run]); have > fair {
			spare = append(spare, held[run][fair:]...)
		} else {
			missing[run] = fair - have
		}
	}
	for len(missing) > 0 { // in turn, so that what is there is spread
		for _, run := range workers {
			if missing[run] == 0 {
				delete(missing, run)
				continue
			}
			room = append(room, run)
			missing[run]--
		}
	}
	return room, spare
}
