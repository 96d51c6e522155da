package stream

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
)

// referee holds every write of the control table, and every delivery, against
// the rules that a fleet has to keep at every moment.
type referee struct {
	t      *testing.T
	stream *fakeStream

	mu     sync.Mutex
	done   map[string]bool // by shard/sequence
	leases map[string]lease
	signs  map[string]sign
	moved  map[string]time.Time // by run: when its sign last moved
	dead   map[string]bool      // runs that left or were buried
	owner  sign
	moves  map[string]int  // changes of owner, by shard
	amiss  map[string]bool // shards whose lease somebody else has changed
	told   []string
}

func newReferee(t *testing.T, s *fakeStream, c *fakeTable) *referee {
	r := &referee{
		t: t, stream: s, done: map[string]bool{}, leases: map[string]lease{}, signs: map[string]sign{},
		moved: map[string]time.Time{}, dead: map[string]bool{}, moves: map[string]int{}, amiss: map[string]bool{},
	}
	c.wroteBy, c.removedBy = r.wrote, r.removed
	return r
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
	if parent != "" && !r.leases[parent].finished && !r.amiss[parent] {
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
// fleet; epoch 0: it was removed.
func (r *referee) meddle(l lease) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tell("somebody makes of the lease %+v", l)
	r.leases[l.shard], r.amiss[l.shard] = l, true
}

// wrote is told of every write, by whom and in order.
func (r *referee) wrote(who string, item backend.Item) {
	switch sk := backend.KeyOf(item).SK; {
	case strings.HasPrefix(sk, shardPrefix):
		r.wroteLease(who, item)
	case strings.HasPrefix(sk, workerPrefix):
		r.wroteSign(who, item)
	case sk == ownerSK:
		r.wroteOwner(who, item)
	}
}

func (r *referee) wroteSign(who string, item backend.Item) {
	s, err := decodeSign(item)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch before := r.signs[s.run]; {
	case err != nil:
		r.fail("%v", err)
	case s.dead:
		r.tell("%s buries %s", who, s.worker)
		if still := time.Since(r.moved[s.run]); still < s.lease {
			r.fail("%s buries %s, who showed a sign of life %v ago", who, s.worker, still)
		}
		r.dead[s.run] = true
	case who != s.worker:
		r.fail("%s shows the sign of life of %s", who, s.worker)
	case before.dead:
		r.fail("%s lives on after it was buried", s.worker)
	default:
		r.moved[s.run] = time.Now()
	}
	r.signs[s.run] = s
}

func (r *referee) wroteOwner(who string, item backend.Item) {
	s, err := decodeSign(item)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tell("leader: %s run %.4s epoch %d counter %d", s.worker, s.run, s.epoch, s.counter)
	if err != nil || s.epoch < r.owner.epoch || s.epoch == r.owner.epoch && s.run != r.owner.run {
		r.fail("%s made of the leader %+v %+v: %v", who, r.owner, s, err)
	}
	if s.run != r.owner.run && r.owner.worker != "" && !r.dead[r.owner.run] {
		r.fail("%s takes the lead of %s, who lives", who, r.owner.worker)
	}
	r.owner = s
}

func (r *referee) removed(who string, key backend.Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if run, ok := strings.CutPrefix(key.SK, workerPrefix); ok {
		s := r.signs[run]
		if s.worker != who && !s.dead {
			r.fail("%s removes the sign of life of %s", who, s.worker)
		}
		r.dead[run] = true
	}
	if shard, ok := strings.CutPrefix(key.SK, shardPrefix); ok {
		if !r.leases[shard].finished {
			r.fail("%s forgets the lease %+v", who, r.leases[shard])
		}
	}
}

func (r *referee) wroteLease(who string, item backend.Item) {
	l, err := decodeLease(item)
	if err != nil {
		r.t.Error(err)
		return
	}
	s := r.shard(l.shard)
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.leases[l.shard]
	r.leases[l.shard] = l
	r.tell("%s makes lease %s: %s epoch %d checkpoint %q finished %v", who, l.shard, l.worker, l.epoch, l.done.sequence, l.finished)
	r.mayWrite(who, before, l)
	if back := backend.CompareSequence(l.done.sequence, before.done.sequence) < 0; back && l.lost == before.lost || before.finished && !l.finished {
		r.fail("lease %s went back from %+v to %+v", l.shard, before, l)
	}
	if l.run != before.run {
		r.moves[l.shard]++
	}
	for _, rec := range s.records {
		passed := l.finished || backend.CompareSequence(rec.Sequence, l.done.sequence) <= 0
		trimmed := s.gone || backend.CompareSequence(rec.Sequence, s.trimmed) <= 0
		if passed && !trimmed && !r.done[s.id+"/"+rec.Sequence] {
			r.fail("the lease %s passes %s, which is not done", l.shard, rec.Sequence)
		}
	}
	if l.finished && !s.closed && !s.gone {
		r.fail("shard %s is open and counts as finished", l.shard)
	}
}

// mayWrite checks that a lease was written by the owner of the epoch, or taken
// from nobody who lives.
func (r *referee) mayWrite(who string, before, l lease) {
	switch {
	case before.epoch == 0:
		if l.epoch != 1 || l.worker != "" && l.worker != who {
			r.fail("%s began with the lease %+v", who, l)
		}
	case l.epoch == before.epoch:
		if before.worker != who || l.run != before.run || l.worker != before.worker {
			r.fail("%s made of the lease %+v %+v", who, before, l)
		}
	case l.epoch != before.epoch+1:
		r.fail("%s made of the lease %+v %+v", who, before, l)
	case before.worker == who && l.worker != who: // a gift
		if l.worker == "" || l.run == "" {
			r.fail("%s gave the lease %+v to nobody", who, before)
		}
	case l.worker != who:
		r.fail("%s gave what is not its: %+v %+v", who, before, l)
	case before.worker != "" && !r.dead[before.run] && !r.amiss[l.shard]:
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
		if n := len(s.records); l.finished != s.closed || n > 0 && l.done.sequence != s.records[n-1].Sequence {
			r.fail("at the end the lease of %s is %+v", s.id, l)
		}
	}
}
