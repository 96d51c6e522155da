package stream

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/stream/internal/lease"
	"github.com/postroom/postroom/stream/internal/membership"
)

// referee holds every write of the control table, and every delivery, against
// the rules that a worker group has to keep at every moment.
type referee struct {
	t      *testing.T
	stream *fakeStream
	group  string // the worker group; others are not looked at

	mu      sync.Mutex
	done    map[string]bool // by shard/sequence
	leases  map[string]lease.Lease
	workers map[string]membership.Worker
	moved   map[string]time.Time // by session: when its heartbeat last moved
	dead    map[string]bool      // sessions that left or were expired
	leader  membership.Leader
	moves   map[string]int  // changes of owner, by shard
	amiss   map[string]bool // shards whose lease somebody else has changed
	told    []string
}

func newReferee(t *testing.T, s *fakeStream, c *fakeTable, group string) *referee {
	r := &referee{
		t: t, stream: s, group: group, done: map[string]bool{}, leases: map[string]lease.Lease{}, workers: map[string]membership.Worker{},
		moved: map[string]time.Time{}, dead: map[string]bool{}, moves: map[string]int{}, amiss: map[string]bool{},
	}
	wrote, removed := c.wroteBy, c.removedBy // of other groups
	c.wroteBy = func(who string, item backend.Item) {
		if r.sees(backend.KeyOf(item)) {
			r.wrote(who, item)
		} else if wrote != nil {
			wrote(who, item)
		}
	}
	c.removedBy = func(who string, key backend.Key) {
		if r.sees(key) {
			r.removed(who, key)
		} else if removed != nil {
			removed(who, key)
		}
	}
	return r
}

func (r *referee) sees(key backend.Key) bool {
	id, ok := lease.ParsePartition(key.PK)
	return ok && id.Name == r.group
}

// tell adds a line to what is printed when a rule is broken.
func (r *referee) tell(format string, args ...any) {
	r.told = append(r.told, time.Now().Format("05.000 ")+fmt.Sprintf(format, args...))
}

func (r *referee) fail(format string, args ...any) {
	r.t.Errorf(format+"\n%s", append(args, strings.Join(r.told[max(0, len(r.told)-60):], "\n"))...)
}

// does notes that a record is done: its acknowledgement follows.
func (r *referee) does(rec *Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done[rec.Shard+"/"+rec.Sequence] = true
}

// delivered holds a delivery against the lineage.
func (r *referee) delivered(name string, records []*Record) {
	parent := r.parentOf(records[0].Shard)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tell("%s gets %s from %s of %d", name, records[0].Shard, records[0].Sequence, len(records))
	if parent != "" && !r.leases[parent].Finished && !r.amiss[parent] {
		r.fail("%s was delivered before its parent %s was finished", records[0].Shard, parent)
	}
}

func (r *referee) parentOf(id string) string {
	r.stream.mu.Lock()
	defer r.stream.mu.Unlock()
	for _, s := range r.stream.shards {
		if s.id == id {
			return s.parent
		}
	}
	return ""
}

// meddle notes that the lease of a shard was changed by somebody outside the
// group; epoch 0: it was removed.
func (r *referee) meddle(l lease.Lease) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tell("somebody makes of the lease %+v", l)
	r.leases[l.Shard], r.amiss[l.Shard] = l, true
}

// wrote is told of every write, by whom and in order.
func (r *referee) wrote(who string, item backend.Item) {
	switch sk := backend.KeyOf(item).SK; {
	case strings.HasPrefix(sk, shardPrefix):
		r.wroteLease(who, item)
	case strings.HasPrefix(sk, workerPrefix):
		r.wroteHeartbeat(who, item)
	case sk == leaderSK:
		r.wroteLeader(who, item)
	}
}

func (r *referee) wroteHeartbeat(who string, item backend.Item) {
	w, err := membership.DecodeWorker(item)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch before := r.workers[w.Session]; {
	case err != nil:
		r.fail("%v", err)
	case w.Expired:
		r.tell("%s expires %s", who, w.Worker)
		if still := time.Since(r.moved[w.Session]); still < w.LeaseDuration {
			r.fail("%s expires %s, which sent a heartbeat %v ago", who, w.Worker, still)
		}
		r.dead[w.Session] = true
	case who != w.Worker:
		r.fail("%s sends the heartbeat of %s", who, w.Worker)
	case before.Expired:
		r.fail("%s lives on after its session was expired", w.Worker)
	default:
		r.moved[w.Session] = time.Now()
	}
	r.workers[w.Session] = w
}

func (r *referee) wroteLeader(who string, item backend.Item) {
	l, err := membership.DecodeLeader(item)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tell("leader: %s session %.4s epoch %d counter %d", l.Worker, l.Session, l.Epoch, l.Counter)
	if err != nil || l.Epoch < r.leader.Epoch || l.Epoch == r.leader.Epoch && l.Session != r.leader.Session {
		r.fail("%s made of the leader %+v %+v: %v", who, r.leader, l, err)
	}
	if l.Session != r.leader.Session && r.leader.Worker != "" && !r.dead[r.leader.Session] {
		r.fail("%s takes the lead of %s, who lives", who, r.leader.Worker)
	}
	r.leader = l
}

func (r *referee) removed(who string, key backend.Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if session, ok := strings.CutPrefix(key.SK, workerPrefix); ok {
		w := r.workers[session]
		if w.Worker != who && !w.Expired {
			r.fail("%s removes the heartbeat of %s", who, w.Worker)
		}
		r.dead[session] = true
	}
	if shard, ok := strings.CutPrefix(key.SK, shardPrefix); ok {
		if !r.leases[shard].Finished {
			r.fail("%s forgets the lease %+v", who, r.leases[shard])
		}
	}
}

func (r *referee) wroteLease(who string, item backend.Item) {
	l, err := lease.Decode(item)
	if err != nil {
		r.t.Error(err)
		return
	}
	s := r.shard(l.Shard)
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.leases[l.Shard]
	r.leases[l.Shard] = l
	r.tell("%s makes lease %s: %s epoch %d checkpoint %q finished %v", who, l.Shard, l.Worker, l.Epoch, l.Checkpoint.Sequence, l.Finished)
	r.mayWrite(who, before, l)
	if back := backend.CompareSequence(l.Checkpoint.Sequence, before.Checkpoint.Sequence) < 0; back && l.Lost == before.Lost || before.Finished && !l.Finished {
		r.fail("lease %s went back from %+v to %+v", l.Shard, before, l)
	}
	if l.Session != before.Session {
		r.moves[l.Shard]++
	}
	for _, rec := range s.records {
		passed := l.Finished || backend.CompareSequence(rec.Sequence, l.Checkpoint.Sequence) <= 0
		trimmed := s.gone || backend.CompareSequence(rec.Sequence, s.trimmed) <= 0
		if passed && !trimmed && !r.done[s.id+"/"+rec.Sequence] {
			r.fail("the lease %s passes %s, which is not done", l.Shard, rec.Sequence)
		}
	}
	if l.Finished && !s.closed && !s.gone {
		r.fail("shard %s is open and counts as finished", l.Shard)
	}
}

// mayWrite checks that a lease was written by the owner of the epoch, or taken
// from nobody who lives.
func (r *referee) mayWrite(who string, before, l lease.Lease) {
	switch {
	case before.Epoch == 0:
		if l.Epoch != 1 || l.Worker != "" && l.Worker != who {
			r.fail("%s began with the lease %+v", who, l)
		}
	case l.Epoch == before.Epoch:
		if before.Worker != who || l.Session != before.Session || l.Worker != before.Worker {
			r.fail("%s made of the lease %+v %+v", who, before, l)
		}
	case l.Epoch != before.Epoch+1:
		r.fail("%s made of the lease %+v %+v", who, before, l)
	case before.Worker == who && l.Worker != who: // a transfer
		if l.Worker == "" || l.Session == "" {
			r.fail("%s transferred the lease %+v to nobody", who, before)
		}
	case l.Worker != who:
		r.fail("%s transferred what is not its: %+v %+v", who, before, l)
	case before.Worker != "" && !r.dead[before.Session] && !r.amiss[l.Shard]:
		r.fail("%s took the lease %+v of a worker that lives", who, before)
	}
}

func (r *referee) shard(id string) fakeShard {
	r.stream.mu.Lock()
	defer r.stream.mu.Unlock()
	i := slices.IndexFunc(r.stream.shards, func(s *fakeShard) bool { return s.id == id })
	return *r.stream.shards[i]
}

// moved returns how often each lease has changed hands since it was last asked.
func (r *referee) movedSince() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	moves := r.moves
	r.moves = map[string]int{}
	return moves
}

// finale checks that everything was done, and is known to be.
func (r *referee) finale() {
	r.stream.mu.Lock()
	defer r.stream.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.stream.shards {
		for _, rec := range s.records {
			if !r.done[s.id+"/"+rec.Sequence] {
				r.fail("record %s of %s was never done", rec.Sequence, s.id)
				return
			}
		}
		l := r.leases[s.id]
		if n := len(s.records); l.Finished != s.closed || n > 0 && l.Checkpoint.Sequence != s.records[n-1].Sequence {
			r.fail("at the end the lease of %s is %+v", s.id, l)
		}
	}
}
