package stream

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"

	"github.com/postroom/postroom/stream/internal/shard"
)

// Stats counts what a Reader did since it was made. Calls of the stream are
// what costs: see [Stats.Reads].
type Stats struct {
	Leases  int  // held now
	Leads   bool // this worker leads the worker group now: it lists the shards
	Workers int  // of the worker group, this one included, as last seen; 0: not joined

	InFlight      int   // records delivered and not acknowledged, now
	InFlightBytes int64 // of these

	Records     int64 // delivered
	Reads       int64 // of records, each a billed call, the empty ones included
	Empty       int64 // reads that brought nothing
	Listings    int64 // pages of the list of shards, and look-ups of children
	Saves       int64 // checkpoints and other writes of leases
	Acquired    int64 // leases acquired: free ones and those of new shards
	Transferred int64 // leases transferred to other workers
	Received    int64 // leases transferred to this worker
	Lost        int64 // leases lost to another worker
	Expired     int64 // times that another worker expired this worker's session
	DataLosses  int64 // see [DataLossError]
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
	// InFlight is the number of records delivered and not acknowledged,
	// InFlightSince when the oldest of them was delivered; zero: there is none.
	InFlight      int
	InFlightSince time.Time
	// CheckpointAt is the time of the record at the checkpoint, about: what is
	// older than 24 hours behind the present is lost if it is not read.
	CheckpointAt time.Time
}

// counters is what Stats is read from.
type counters struct {
	shard.Counters
	saves, acquired, transferred, received, lost, expired, dataLosses atomic.Int64
}

// Stats returns the counts so far. It may be called concurrently with Run.
func (r *Reader) Stats() Stats {
	c := &r.count
	s := Stats{
		Records: c.Records.Load(), Reads: c.Reads.Load(), Empty: c.Empty.Load(), Listings: c.Listings.Load(),
		Saves: c.saves.Load(), Acquired: c.acquired.Load(), Transferred: c.transferred.Load(), Received: c.received.Load(),
		Lost: c.lost.Load(), Expired: c.expired.Load(), DataLosses: c.dataLosses.Load(),
	}
	if current := r.current.Load(); current != nil {
		s.Leases = len(current.held())
		s.InFlight, s.InFlightBytes = int(current.inFlight.Records()), current.inFlight.Bytes()
		s.Leads = current.group.lock() != nil
		s.Workers = current.group.workers()
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
	for _, one := range current.held() {
		p := one.Progress()
		all = append(all, ShardProgress{
			Shard: one.ID, Begun: one.Begun, AtTip: p.AtTip, Read: p.Read, ReadAt: p.ReadAt,
			InFlight: p.InFlight, InFlightSince: p.InFlightSince, CheckpointAt: p.CheckpointAt,
		})
	}
	slices.SortFunc(all, func(a, b ShardProgress) int { return cmp.Compare(a.Shard, b.Shard) })
	return all
}
