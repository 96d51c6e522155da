package membership

import (
	"cmp"
	"maps"
	"slices"

	"github.com/postroom/postroom/stream/internal/lease"
)

// Snapshot is what a session knows at one moment.
type Snapshot struct {
	Sessions []string // that are alive
	Leases   map[string]lease.Lease
	// Damaged are sessions whose heartbeats are, and that may be alive: their
	// leases stay with them, and they get no others.
	Damaged map[string]bool

	// Of the session that asks.
	Self    string
	Reading map[string]bool // the shards that it reads
	// Unsettled are the shards that it has started or stopped to read since the
	// leases were read: nothing follows for them from a lease that is or is not
	// its own.
	Unsettled map[string]bool
}

// Action is what a session does with a shard.
type Action string

// The actions.
const (
	// Start means reading a shard: after acquiring the lease if it is free, and at
	// once if the session has it already, since it was transferred.
	Start Action = "start"
	// Stop means no longer reading a shard whose lease is another's.
	Stop Action = "stop"
	// TransferTo means that the owner of the lease transfers it to the session.
	TransferTo Action = "transfer to"
)

// Assignment is one action that follows from a snapshot.
type Assignment struct {
	Action  Action
	Shard   string
	Session string
}

// Assign returns what the sessions are to do, in the order of the shards: which
// free leases are acquired by whom, which leases are transferred to whom, and what
// the session itself starts and stops for the table and its reading to agree.
func (s Snapshot) Assign() (all []Assignment) {
	add := func(action Action, shard, session string) {
		all = append(all, Assignment{action, shard, session})
	}
	for shard := range s.Reading {
		if s.Leases[shard].Session != s.Self && !s.Unsettled[shard] {
			add(Stop, shard, s.Self)
		}
	}
	for shard, l := range s.Leases {
		if l.OwnedBy(s.Self) && !l.Finished && !s.Reading[shard] && !s.Unsettled[shard] {
			add(Start, shard, s.Self)
		}
	}
	if len(s.Sessions) > 0 {
		held, free := s.loads()
		room, spare := shares(held, len(free))
		for i, shard := range free {
			add(Start, shard, room[i])
		}
		for i, shard := range spare {
			add(TransferTo, shard, room[len(free)+i])
		}
	}
	slices.SortFunc(all, func(a, b Assignment) int {
		return cmp.Or(cmp.Compare(a.Shard, b.Shard), cmp.Compare(a.Action, b.Action))
	})
	return all
}

// Waiting is the number of shards that cannot be read yet: their parents are not
// finished, or it is not known whether their owners live. Those that a damaged lease
// blocks, its own or that of a parent, wait for a person and do not count.
func (s Snapshot) Waiting() (n int) {
	for _, l := range s.Leases {
		if !l.Finished && (!l.Readable(s.Leases) || s.Damaged[l.Session]) && !s.blocked(l) {
			n++
		}
	}
	return n
}

// blocked reports whether a lease is damaged, or one of its parents'.
func (s Snapshot) blocked(l lease.Lease) bool {
	for range len(s.Leases) { // parents in a circle have no end
		if l.Damaged != nil || l.Parent == "" {
			break
		}
		l = s.Leases[l.Parent]
	}
	return l.Damaged != nil
}

// loads returns the readable shards by the live session that has them, and those
// that none has.
func (s Snapshot) loads() (held map[string][]string, free []string) {
	held = make(map[string][]string, len(s.Sessions))
	for _, session := range s.Sessions {
		held[session] = nil
	}
	for _, shard := range slices.Sorted(maps.Keys(s.Leases)) {
		l := s.Leases[shard]
		if !l.Readable(s.Leases) || s.Damaged[l.Session] {
			continue
		}
		if _, live := held[l.Session]; live && l.Worker != "" {
			held[l.Session] = append(held[l.Session], shard)
		} else {
			free = append(free, shard)
		}
	}
	return held, free
}

// shares returns which session is to get a lease, one entry for each, and the
// leases of the sessions that have more than their share. The remainder of the
// division stays with those that have most, so that it moves nothing.
func shares(held map[string][]string, free int) (room, spare []string) {
	sessions := slices.SortedFunc(maps.Keys(held), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(held[b]), len(held[a])), cmp.Compare(a, b))
	})
	total := free
	for _, shards := range held {
		total += len(shards)
	}
	missing := make(map[string]int, len(sessions))
	for i, session := range sessions {
		fair := total / len(sessions)
		if i < total%len(sessions) {
			fair++
		}
		if have := len(held[session]); have > fair {
			spare = append(spare, held[session][fair:]...)
		} else {
			missing[session] = fair - have
		}
	}
	for len(missing) > 0 { // in turn, so that neighbouring shards are spread
		for _, session := range sessions {
			if missing[session] == 0 {
				delete(missing, session)
				continue
			}
			room = append(room, session)
			missing[session]--
		}
	}
	return room, spare
}
