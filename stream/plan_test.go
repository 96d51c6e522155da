package stream

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// of makes the leases of a view: open shards by who has them.
func of(held map[string][]string) map[string]lease {
	leases := map[string]lease{}
	for run, shards := range held {
		for _, shard := range shards {
			leases[shard] = lease{shard: shard, worker: run, run: run, epoch: 1}
		}
	}
	return leases
}

func TestS14Plan(t *testing.T) {
	t.Parallel()
	type moves = map[string]string
	finished := func(l lease) lease { l.finished = true; return l }
	for name, c := range map[string]struct {
		workers    []string
		leases     map[string]lease
		take, give moves
	}{
		"nobody lives":       {nil, of(map[string][]string{"": {"s"}}), moves{}, moves{}},
		"nothing there":      {[]string{"a", "b"}, nil, moves{}, moves{}},
		"one takes all":      {[]string{"a"}, of(map[string][]string{"": {"s", "t"}}), moves{"s": "a", "t": "a"}, moves{}},
		"two share":          {[]string{"a", "b"}, of(map[string][]string{"": {"s", "t"}}), moves{"s": "a", "t": "b"}, moves{}},
		"who has less takes": {[]string{"a", "b"}, of(map[string][]string{"a": {"s"}, "": {"t"}}), moves{"t": "b"}, moves{}},
		"of the dead":        {[]string{"a"}, of(map[string][]string{"b": {"s"}, "a": {"t"}}), moves{"s": "a"}, moves{}},
		"a newcomer gets its half": {
			[]string{"a", "b"}, of(map[string][]string{"a": {"s", "t", "u", "v"}}), moves{}, moves{"u": "b", "v": "b"},
		},
		"within one of the others nothing moves": {
			[]string{"a", "b"}, of(map[string][]string{"a": {"s"}, "b": {"t", "u"}}), moves{}, moves{},
		},
		"free ones come before gifts": {
			[]string{"a", "b"}, of(map[string][]string{"a": {"s", "t"}, "": {"u", "v"}}), moves{"u": "b", "v": "b"}, moves{},
		},
		"a name without a run is nobody's": {
			[]string{"a"}, map[string]lease{"s": {shard: "s", run: "a", epoch: 1}}, moves{"s": "a"}, moves{},
		},
		"finished": {
			[]string{"a"}, map[string]lease{"s": finished(lease{shard: "s", epoch: 1})}, moves{}, moves{},
		},
		"the child of an unfinished parent": {
			[]string{"a"}, map[string]lease{"s": {shard: "s", worker: "a", run: "a"}, "t": {shard: "t", parent: "s"}}, moves{}, moves{},
		},
		"the child of a finished parent": {
			[]string{"a"}, map[string]lease{"s": finished(lease{shard: "s"}), "t": {shard: "t", parent: "s"}}, moves{"t": "a"}, moves{},
		},
		"the child of a parent that is gone": {
			[]string{"a"}, map[string]lease{"t": {shard: "t", parent: "s"}}, moves{"t": "a"}, moves{},
		},
	} {
		p := view{workers: c.workers, leases: c.leases}.plan()
		if !maps.Equal(p.take, c.take) || !maps.Equal(p.give, c.give) {
			t.Errorf("%s: take %v, give %v; want %v and %v", name, p.take, p.give, c.take, c.give)
		}
	}
}

// drawView makes a fleet in any state, balanced or not.
func drawView(t *rapid.T) view {
	v := view{leases: map[string]lease{}}
	for i := range rapid.IntRange(1, 7).Draw(t, "workers") {
		v.workers = append(v.workers, fmt.Sprint("w", i))
	}
	owners := append([]string{"", "dead"}, v.workers...)
	for i := range rapid.IntRange(0, 40).Draw(t, "shards") {
		l := lease{shard: fmt.Sprintf("s%02d", i), epoch: 1}
		l.run = rapid.SampledFrom(owners).Draw(t, "owner")
		l.worker = l.run
		l.finished = rapid.IntRange(0, 3).Draw(t, "finished") == 0
		if i > 0 && rapid.Bool().Draw(t, "child") {
			l.parent = fmt.Sprintf("s%02d", rapid.IntRange(0, i+2).Draw(t, "parent"))
		}
		v.leases[l.shard] = l
	}
	return v
}

// carryOut does what a plan says.
func (v view) carryOut(p plan) view {
	next := view{workers: v.workers, leases: maps.Clone(v.leases)}
	for _, moves := range []map[string]string{p.take, p.give} {
		for shard, run := range moves {
			l := next.leases[shard]
			l.worker, l.run = run, run
			next.leases[shard] = l
		}
	}
	return next
}

// loads returns how many readable leases each living worker has, and the shards
// that have none.
func (v view) loads() (loads map[string]int, free []string) {
	loads = map[string]int{}
	for _, run := range v.workers {
		loads[run] = 0
	}
	for shard, l := range v.leases {
		if _, lives := loads[l.run]; !v.readable(l) {
			continue
		} else if lives && l.worker != "" {
			loads[l.run]++
		} else {
			free = append(free, shard)
		}
	}
	return loads, free
}

func apart(loads map[string]int) int {
	all := slices.Collect(maps.Values(loads))
	return slices.Max(all) - slices.Min(all)
}

func TestS14EveryPlan(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := drawView(t)
		before, free := v.loads()
		p := v.plan()
		slices.Sort(free)
		if taken := slices.Sorted(maps.Keys(p.take)); !slices.Equal(taken, free) {
			t.Fatalf("takes %v, and %v are free", taken, free)
		}
		gives, gets := map[string]bool{}, map[string]bool{}
		for _, run := range p.take {
			gets[run] = true
		}
		for shard, run := range p.give {
			l := v.leases[shard]
			if _, lives := before[l.run]; !lives || !v.readable(l) || l.run == run {
				t.Fatalf("%+v is given to %s", l, run)
			}
			gives[l.run], gets[run] = true, true
		}
		for run := range gets {
			if _, lives := before[run]; !lives || gives[run] {
				t.Fatalf("%s gets something, lives: %v, gives: %v", run, lives, gives[run])
			}
		}
		after := v.carryOut(p)
		loads, left := after.loads()
		if len(left) > 0 || apart(loads) > 1 {
			t.Fatalf("afterwards %v, and %v are nobody's", loads, left)
		}
		if next := after.plan(); len(next.take)+len(next.give) > 0 {
			t.Fatalf("a balanced fleet moves %+v", next)
		}
		if len(free) == 0 && apart(before) <= 1 && len(p.give) > 0 {
			t.Fatalf("loads of %v, and %v is given", before, p.give)
		}
	})
}

// Every worker sees itself first, and a map has no order.
func TestS14PlanIsTheSameForEverybody(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := drawView(t)
		other := view{workers: rapid.Permutation(v.workers).Draw(t, "order"), leases: map[string]lease{}}
		for _, shard := range rapid.Permutation(slices.Sorted(maps.Keys(v.leases))).Draw(t, "leases") {
			other.leases[shard] = v.leases[shard]
		}
		if p, q := v.plan(), other.plan(); !reflect.DeepEqual(p, q) {
			t.Fatalf("%+v and %+v", p, q)
		}
	})
}

// Each worker of a fleet of five is replaced, one after the other. No change of
// the fleet moves more than it has to.
func TestS14RollingRestartOfPlans(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := view{leases: map[string]lease{}}
		for i := range rapid.IntRange(1, 200).Draw(t, "shards") {
			shard := fmt.Sprint("s", i)
			v.leases[shard] = lease{shard: shard, epoch: 1}
		}
		settle := func(change string, most int) {
			t.Helper()
			p := v.plan()
			if n := len(p.take) + len(p.give); n > most {
				t.Fatalf("%s: %d leases move, want at most %d", change, n, most)
			}
			v = v.carryOut(p)
			if next := v.plan(); len(next.take)+len(next.give) > 0 {
				t.Fatalf("%s: %+v moves again", change, next)
			}
		}
		all := len(v.leases)
		for i := range 5 {
			v.workers = append(v.workers, fmt.Sprint("old", i))
			most := all / len(v.workers) // a newcomer's share
			if i == 0 {
				most = all
			}
			settle("join", most)
		}
		for i := range 5 {
			loads, _ := v.loads()
			v.workers = slices.DeleteFunc(v.workers, func(run string) bool { return run == fmt.Sprint("old", i) })
			settle("leave", loads[fmt.Sprint("old", i)])
			v.workers = append(v.workers, fmt.Sprint("new", i))
			settle("join", all/5)
		}
	})
}
