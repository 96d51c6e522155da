package membership

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/postroom/postroom/stream/internal/lease"
)

// by makes a lease of a shard that a worker has; an empty one: that is free.
func by(shard, worker string) lease.Lease {
	return lease.Lease{Shard: shard, Owner: lease.Owner{Worker: worker, Session: worker}, Epoch: 1}
}

func finished(l lease.Lease) lease.Lease { l.Finished = true; return l }

func child(l lease.Lease, parent string) lease.Lease { l.Parent = parent; return l }

// of makes the leases of a snapshot.
func of(all ...lease.Lease) map[string]lease.Lease {
	leases := map[string]lease.Lease{}
	for _, l := range all {
		leases[l.Shard] = l
	}
	return leases
}

func TestS14Assignment(t *testing.T) {
	t.Parallel()
	set := func(shards ...string) map[string]bool {
		m := map[string]bool{}
		for _, s := range shards {
			m[s] = true
		}
		return m
	}
	nameOnly := by("s", "a")
	nameOnly.Worker = ""
	for name, c := range map[string]struct {
		Snapshot
		want []Assignment
	}{
		"nobody lives":       {Snapshot{Leases: of(by("s", ""))}, nil},
		"nothing there":      {Snapshot{Sessions: []string{"a", "b"}}, nil},
		"one takes all":      {Snapshot{Sessions: []string{"a"}, Leases: of(by("s", ""), by("t", ""))}, []Assignment{{Start, "s", "a"}, {Start, "t", "a"}}},
		"two share":          {Snapshot{Sessions: []string{"a", "b"}, Leases: of(by("s", ""), by("t", ""))}, []Assignment{{Start, "s", "a"}, {Start, "t", "b"}}},
		"who has less takes": {Snapshot{Sessions: []string{"a", "b"}, Leases: of(by("s", "a"), by("t", ""))}, []Assignment{{Start, "t", "b"}}},
		"of the dead":        {Snapshot{Sessions: []string{"a"}, Leases: of(by("s", "b"), by("t", "a"))}, []Assignment{{Start, "s", "a"}}},
		"a newcomer gets its half": {
			Snapshot{Sessions: []string{"a", "b"}, Leases: of(by("s", "a"), by("t", "a"), by("u", "a"), by("v", "a"))},
			[]Assignment{{TransferTo, "u", "b"}, {TransferTo, "v", "b"}},
		},
		"within one of the others nothing moves": {
			Snapshot{Sessions: []string{"a", "b"}, Leases: of(by("s", "a"), by("t", "b"), by("u", "b"))}, nil,
		},
		"free ones come before transfers": {
			Snapshot{Sessions: []string{"a", "b"}, Leases: of(by("s", "a"), by("t", "a"), by("u", ""), by("v", ""))},
			[]Assignment{{Start, "u", "b"}, {Start, "v", "b"}},
		},
		"a name without a session is nobody's": {
			Snapshot{Sessions: []string{"a"}, Leases: of(nameOnly)}, []Assignment{{Start, "s", "a"}},
		},
		"finished": {Snapshot{Sessions: []string{"a"}, Leases: of(finished(by("s", "")))}, nil},
		"the child of an unfinished parent": {
			Snapshot{Sessions: []string{"a"}, Leases: of(by("s", "a"), child(by("t", ""), "s"))}, nil,
		},
		"the child of a finished parent": {
			Snapshot{Sessions: []string{"a"}, Leases: of(finished(by("s", "")), child(by("t", ""), "s"))}, []Assignment{{Start, "t", "a"}},
		},
		"the child of a parent that is gone": {
			Snapshot{Sessions: []string{"a"}, Leases: of(child(by("t", ""), "s"))}, []Assignment{{Start, "t", "a"}},
		},

		"its own that it does not read": {
			Snapshot{Self: "a", Sessions: []string{"a"}, Leases: of(by("s", "a"), by("t", "a")), Reading: set("t")},
			[]Assignment{{Start, "s", "a"}},
		},
		"its own that it has just let go": {
			Snapshot{Self: "a", Sessions: []string{"a"}, Leases: of(by("s", "a")), Unsettled: set("s")}, nil,
		},
		"its own that is finished": {
			Snapshot{Self: "a", Sessions: []string{"a"}, Leases: of(finished(by("s", "a")))}, nil,
		},
		"another's that it reads": {
			Snapshot{Self: "a", Sessions: []string{"a", "b"}, Leases: of(by("s", "b"), by("t", "a")), Reading: set("s", "t")},
			[]Assignment{{Stop, "s", "a"}},
		},
		"one that it reads and nobody has": {
			Snapshot{Self: "a", Sessions: []string{"a"}, Reading: set("s")}, []Assignment{{Stop, "s", "a"}},
		},
		"another's that it has just begun to read": {
			Snapshot{Self: "a", Sessions: []string{"a", "b"}, Leases: of(by("s", "b")), Reading: set("s"), Unsettled: set("s")}, nil,
		},
	} {
		if got := c.Assign(); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// moves divides the assignments for all sessions into leases that are acquired and
// leases that are transferred, by shard.
func moves(all []Assignment) (acquire, transfer map[string]string) {
	acquire, transfer = map[string]string{}, map[string]string{}
	for _, a := range all {
		if a.Action == TransferTo {
			transfer[a.Shard] = a.Session
		} else {
			acquire[a.Shard] = a.Session
		}
	}
	return acquire, transfer
}

// drawSnapshot makes a worker group in any state, balanced or not.
func drawSnapshot(t *rapid.T) Snapshot {
	v := Snapshot{Leases: map[string]lease.Lease{}}
	for i := range rapid.IntRange(1, 7).Draw(t, "workers") {
		v.Sessions = append(v.Sessions, fmt.Sprint("w", i))
	}
	owners := append([]string{"", "dead"}, v.Sessions...)
	for i := range rapid.IntRange(0, 40).Draw(t, "shards") {
		l := by(fmt.Sprintf("s%02d", i), "")
		l.Session = rapid.SampledFrom(owners).Draw(t, "owner")
		l.Worker = l.Session
		l.Finished = rapid.IntRange(0, 3).Draw(t, "finished") == 0
		if i > 0 && rapid.Bool().Draw(t, "child") {
			l.Parent = fmt.Sprintf("s%02d", rapid.IntRange(0, i+2).Draw(t, "parent"))
		}
		v.Leases[l.Shard] = l
	}
	return v
}

// carryOut does what is assigned.
func (s Snapshot) carryOut(all []Assignment) Snapshot {
	next := Snapshot{Sessions: s.Sessions, Leases: maps.Clone(s.Leases)}
	for _, a := range all {
		l := next.Leases[a.Shard]
		l.Worker, l.Session = a.Session, a.Session
		next.Leases[a.Shard] = l
	}
	return next
}

// counts returns how many readable leases each live session has, and the shards
// that none has.
func (s Snapshot) counts() (counts map[string]int, free []string) {
	counts = map[string]int{}
	held, free := s.loads()
	for session, shards := range held {
		counts[session] = len(shards)
	}
	return counts, free
}

func apart(loads map[string]int) int {
	all := slices.Collect(maps.Values(loads))
	return slices.Max(all) - slices.Min(all)
}

func TestS14EveryAssignment(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := drawSnapshot(t)
		before, free := v.counts()
		all := v.Assign()
		acquire, transfer := moves(all)
		slices.Sort(free)
		if acquired := slices.Sorted(maps.Keys(acquire)); !slices.Equal(acquired, free) {
			t.Fatalf("acquires %v, and %v are free", acquired, free)
		}
		gives, gets := map[string]bool{}, map[string]bool{}
		for _, session := range acquire {
			gets[session] = true
		}
		for shard, session := range transfer {
			l := v.Leases[shard]
			if _, lives := before[l.Session]; !lives || !l.Readable(v.Leases) || l.Session == session {
				t.Fatalf("%+v is transferred to %s", l, session)
			}
			gives[l.Session], gets[session] = true, true
		}
		for session := range gets {
			if _, lives := before[session]; !lives || gives[session] {
				t.Fatalf("%s gets something, lives: %v, gives: %v", session, lives, gives[session])
			}
		}
		after := v.carryOut(all)
		counts, left := after.counts()
		if len(left) > 0 || apart(counts) > 1 {
			t.Fatalf("afterwards %v, and %v are nobody's", counts, left)
		}
		if next := after.Assign(); len(next) > 0 {
			t.Fatalf("a balanced group moves %+v", next)
		}
		if len(free) == 0 && apart(before) <= 1 && len(transfer) > 0 {
			t.Fatalf("loads of %v, and %v is transferred", before, transfer)
		}
	})
}

// Every worker sees itself first, and a map has no order.
func TestS14AssignmentIsTheSameForEverybody(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := drawSnapshot(t)
		other := Snapshot{Sessions: rapid.Permutation(v.Sessions).Draw(t, "order"), Leases: map[string]lease.Lease{}}
		for _, shard := range rapid.Permutation(slices.Sorted(maps.Keys(v.Leases))).Draw(t, "leases") {
			other.Leases[shard] = v.Leases[shard]
		}
		if p, q := v.Assign(), other.Assign(); !reflect.DeepEqual(p, q) {
			t.Fatalf("%+v and %+v", p, q)
		}
	})
}

// Each worker of a group of five is replaced, one after the other. No change of
// the group moves more than it has to.
func TestS14RollingRestartOfAssignments(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := Snapshot{Leases: map[string]lease.Lease{}}
		for i := range rapid.IntRange(1, 200).Draw(t, "shards") {
			l := by(fmt.Sprint("s", i), "")
			v.Leases[l.Shard] = l
		}
		settle := func(change string, most int) {
			t.Helper()
			all := v.Assign()
			if len(all) > most {
				t.Fatalf("%s: %d leases move, want at most %d", change, len(all), most)
			}
			v = v.carryOut(all)
			if next := v.Assign(); len(next) > 0 {
				t.Fatalf("%s: %+v moves again", change, next)
			}
		}
		all := len(v.Leases)
		for i := range 5 {
			v.Sessions = append(v.Sessions, fmt.Sprint("old", i))
			most := all / len(v.Sessions) // a newcomer's share
			if i == 0 {
				most = all
			}
			settle("join", most)
		}
		for i := range 5 {
			counts, _ := v.counts()
			v.Sessions = slices.DeleteFunc(v.Sessions, func(session string) bool { return session == fmt.Sprint("old", i) })
			settle("leave", counts[fmt.Sprint("old", i)])
			v.Sessions = append(v.Sessions, fmt.Sprint("new", i))
			settle("join", all/5)
		}
	})
}
