package stream

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"
)

// Stats counts what a Reader did since it was made. Calls of the stream are
// what costs: see [Stats.Reads].
type Stats struct {
	Leases  int  // held now
	Leads   bool // this worker leads the fleet now: it lists the shards
	Workers int  // of the fleet, this one included, as last seen; 0: not joined

	Waiting      int   // records delivered and not acknowledged, now
	WaitingBytes int64 // of these

	Records   int64 // delivered
	Reads     int64 // of records, each a billed call, the empty ones included
	Empty     int64 // of these, brought nothing
	Listings  int64 // pages of the list of shards, and look-ups of children
	Saves     int64 // checkpoints and other writes of leases
	Taken     int64 // leases, free ones and those of new shards
	Given     int64 // leases handed over to others
	Received  int64 // leases handed over by others
	Forfeited int64 // leases that another worker took from this one
	Buried    int64 // times that this worker was declared dead
	Lost      int64 // incidents: see [DataLossError]
}

// ShardProgress is how one shard that this worker holds gets on.
type ShardProgress struct {
	Shard string
	// AtTip says that the shard was read to its open end.
	AtTip bool
	// Read is the time of the last record read, about; zero: none yet.
	Read time.Time
	// Begun is when this worker began with the shard.
	Begun time.Time
	// ReadAt is when a read last succeeded; zero: not yet.
	ReadAt time.Time
	// Waiting is the records delivered and not acknowledged, WaitingSince when
	// the oldest of them was delivered; zero: none wait.
	Waiting      int
	WaitingSince time.Time
	// CheckpointAt is the time of the record at the checkpoint, about: what is
	// older than 24 hours behind the present is lost if it is not read.
	CheckpointAt time.Time
}

// counters is what Stats is read from.
type counters struct {
	records, reads, empty, listings, saves          atomic.Int64
	taken, given, received, forfeited, buried, lost atomic.Int64
}

// Stats returns the counts so far. It may be called concurrently with Run.
func (r *Reader) Stats() Stats {
	c := &r.count
	s := Stats{
		Records: c.records.Load(), Reads: c.reads.Load(), Empty: c.empty.Load(), Listings: c.listings.Load(),
		Saves: c.saves.Load(), Taken: c.taken.Load(), Given: c.given.Load(), Received: c.received.Load(),
		Forfeited: c.forfeited.Load(), Buried: c.buried.Load(), Lost: c.lost.Load(),
	}
	if current := r.current.Load(); current != nil {
		s.Leases = len(current.held())
		s.Waiting = int(current.window.waiting.Load())
		s.WaitingBytes = current.window.waitingBytes.Load()
		s.Leads = current.leader() != nil
		s.Workers = current.fleet.workersSeen()
	}
	return s
}

// Progress returns the shards that this worker holds, in the order of their
// ids. It may be called concurrently with Run.
func (r *Reader) Progress() []ShardProgress {
	current := r.current.Load()
	if current == nil {
		return nil
	}
	var all []ShardProgress
	for _, s := range current.held() {
		all = append(all, s.progress())
	}
	slices.SortFunc(all, func(a, b ShardProgress) int { return cmp.Compare(a.Shard, b.Shard) })
	return all
}

func (s *shard) progress() ShardProgress {
	waiting, since, done := s.tracker.progress()
	s.mu.Lock()
	defer s.mu.Unlock()
	return ShardProgress{
		Shard: s.id, Begun: s.begun, AtTip: !s.tip.IsZero(), Read: s.readAt.at, ReadAt: s.seen,
		Waiting: waiting, WaitingSince: since, CheckpointAt: done.at,
	}
}
