package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/postroom/postroom/backend"
)

// feed is one stream of a table. A table whose stream is switched off and on again has
// another one.
type feed struct {
	arn    string
	shards []*Shard
	off    bool
}

func newFeed(table string, generation int) *feed {
	f := &feed{arn: fmt.Sprintf("arn:sim:table/%s/stream/%d", table, generation)}
	f.shards = []*Shard{{ID: fmt.Sprintf("shard-%d-0", generation), ARN: f.arn}}
	return f
}

func (f *feed) find(id string) *Shard {
	for _, sh := range f.shards {
		if sh.ID == id && !sh.Gone() {
			return sh
		}
	}
	return nil
}

// Shard is the true state of a shard. It may be read between two steps, and by the
// hooks of a [Store], which run under the store's lock.
type Shard struct {
	ARN        string // of the stream
	ID, Parent string
	Records    []backend.Record // all of them, trimmed ones included
	Closed     bool             // there will be no more records
	Overlooked bool             // a listing may have left the shard out and shown its successors

	closed  time.Time
	trimmed int       // how many records were trimmed at the last look
	shown   time.Time // when listings begin to show it
	lingers time.Time // until when it looks open although it has ended
	dry     time.Time // until when it returns empty pages
}

// Trimmed returns how many of the records are trimmed, by the second.
func (sh *Shard) Trimmed() int {
	horizon := time.Now().Add(-backend.StreamRetention)
	for sh.trimmed < len(sh.Records) && sh.Records[sh.trimmed].CreatedAt.Before(horizon) {
		sh.trimmed++
	}
	return sh.trimmed
}

// Gone reports whether the shard no longer exists.
func (sh *Shard) Gone() bool {
	return sh.Closed && time.Since(sh.closed) > backend.StreamRetention && sh.Trimmed() == len(sh.Records)
}

// Shard returns a shard of a stream, even one that no longer exists; nil: there was
// none. It is for the store's hooks.
func (s *Store) Shard(arn, id string) *Shard {
	for _, t := range s.tables {
		if f := t.stream(arn); f != nil {
			for _, sh := range f.shards {
				if sh.ID == id {
					return sh
				}
			}
		}
	}
	return nil
}

// Shards returns the shards that the stream of a table has now.
func (s *Store) Shards(table string) []*Shard {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.table(table).feed.shards), (*Shard).Gone)
}

// stream returns a stream that the table has or had; nil: it had none of that name.
func (t *table) stream(arn string) *feed {
	if t.feed.arn == arn {
		return t.feed
	}
	for _, f := range t.older {
		if f.arn == arn {
			return f
		}
	}
	return nil
}

// Free ends all faults of streams, except that records that are gone stay gone.
func (s *Store) Free() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Streams = StreamFaults{OldGone: s.Streams.OldGone}
	for _, t := range s.tables {
		for _, f := range append(slices.Clone(t.older), t.feed) {
			for _, sh := range f.shards {
				sh.shown, sh.lingers, sh.dry = time.Time{}, time.Time{}, time.Time{}
			}
		}
	}
}

// SwitchOff ends the stream of a table: its shards close and have no children.
func (s *Store) SwitchOff(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.table(name).feed
	f.off = true
	for _, sh := range f.shards {
		if !sh.Closed {
			s.close(sh)
		}
	}
}

// SwitchOn gives a table whose stream was switched off a new stream.
func (s *Store) SwitchOn(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.table(name)
	if t.feed.off {
		t.older = append(t.older, t.feed)
		t.feed = newFeed(name, len(t.older)+1)
	}
}

// StreamARN returns the stream of a table, empty while it is switched off.
func (s *Store) StreamARN(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.table(name).feed
	if f.off {
		return ""
	}
	return f.arn
}

// shardFor returns the open shard of an item's partition, which it sometimes rolls or
// splits first.
func (s *Store) shardFor(f *feed, key backend.Key) *Shard {
	var open []*Shard
	for _, sh := range f.shards {
		if !sh.Closed {
			open = append(open, sh)
		}
	}
	sh := open[hash(key.PK)%uint(len(open))]
	if len(sh.Records) == 0 || !s.chance(s.Streams.Roll) {
		return sh
	}
	s.close(sh)
	children := 1
	if len(open) < 3 {
		children += s.rng.IntN(2)
	}
	var child *Shard
	for range children {
		child = &Shard{
			ID: fmt.Sprintf("%s%d", sh.ID[:len("shard-1-")], len(f.shards)), Parent: sh.ID,
			ARN: f.arn, shown: latest(sh.shown, s.later(s.Streams.Late, s.Streams.LateFor)),
		}
		child.Overlooked = child.shown.After(time.Now()) // by a listing that takes its time
		f.shards = append(f.shards, child)
	}
	return child
}

func (s *Store) close(sh *Shard) {
	sh.Closed, sh.closed = true, time.Now()
	sh.lingers = s.later(s.Streams.Lingering, s.Streams.LingerFor)
}

func (s *Store) chance(of1000 int) bool { return of1000 > 0 && s.rng.IntN(1000) < of1000 }

// later returns a time within d from now, or now.
func (s *Store) later(of1000 int, d time.Duration) time.Time {
	now := time.Now()
	if !s.chance(of1000) {
		return now
	}
	return now.Add(time.Duration(s.rng.Int64N(int64(d))))
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func hash(pk string) uint {
	h := uint(0)
	for _, b := range []byte(pk) {
		h = h*31 + uint(b)
	}
	return h
}
