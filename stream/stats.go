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
	Leases  int  `metric:"postroom_stream_leases" help:"Shards that this worker holds."`
	Leads   bool `metric:"postroom_stream_leader" help:"1 where this worker leads the group and lists the shards."`
	Workers int  `metric:"postroom_stream_workers" help:"Workers of the group, this one included; 0 before it has joined."`

	// Failing is about calls of the stream and of the control table.
	Failing time.Duration `metric:"postroom_stream_failing_seconds" help:"For how long the call has failed in a row that has done so for longest; 0 where none fails. The log says which."`

	InFlight      int   `metric:"postroom_stream_in_flight_records" help:"Records delivered and not acknowledged."`
	InFlightBytes int64 `metric:"postroom_stream_in_flight_bytes" help:"Size of the records delivered and not acknowledged."`

	Records     int64 `metric:"postroom_stream_records_total" help:"Records of the stream delivered."`
	Reads       int64 `metric:"postroom_stream_reads_total" help:"Reads of records, each a billed call."`
	Empty       int64 `metric:"postroom_stream_empty_reads_total" help:"Reads of records that brought none."`
	Listings    int64 `metric:"postroom_stream_listings_total" help:"Pages of the list of shards, and look-ups of children."`
	Saves       int64 `metric:"postroom_stream_lease_writes_total" help:"Checkpoints and other writes of leases."`
	Acquired    int64 `metric:"postroom_stream_leases_acquired_total" help:"Leases acquired: free ones and those of new shards."`
	Transferred int64 `metric:"postroom_stream_leases_transferred_total" help:"Leases transferred to other workers."`
	Received    int64 `metric:"postroom_stream_leases_received_total" help:"Leases transferred to this worker."`
	Lost        int64 `metric:"postroom_stream_leases_lost_total" help:"Leases lost to another worker."`
	Expired     int64 `metric:"postroom_stream_workers_expired_total" help:"Times that another worker expired the session of this one."`
	DataLosses  int64 `metric:"postroom_stream_data_losses_total" help:"Incidents in which records were trimmed before they were read."`
}

// ShardProgress is how far a shard that this worker holds has come.
type ShardProgress struct {
	Shard string
	// AtTip says that the shard was read to its open end.
	AtTip bool
	// Read is approximately when the last record that was read was made, or a later
	// time before which nothing unread was; zero: not known yet.
	Read time.Time
	// Begun is when this worker began to read the shard.
	Begun time.Time
	// ReadAt is when a read last succeeded; zero: none did yet.
	ReadAt time.Time
	// InFlight is the number of records delivered and not acknowledged,
	// InFlightSince when the oldest of them was delivered; zero: there is none.
	InFlight      int
	InFlightSince time.Time
	// CheckpointAt is approximately when the record at the checkpoint was made, or a
	// later time before which nothing behind it was. Records that were made since are
	// lost if they are not read within 24 hours.
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
		s.Leads = current.group.leader.Load() != nil
		s.Failing = current.incidents.Longest(time.Now())
		s.Workers = int(current.group.workers.Load())
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
		all = append(all, ShardProgress(one.Progress()))
	}
	slices.SortFunc(all, func(a, b ShardProgress) int { return cmp.Compare(a.Shard, b.Shard) })
	return all
}
