package stream

import "time"

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

// Stats returns the counts so far. It may be called concurrently with Run.
func (r *Reader) Stats() Stats { return Stats{} }

// Progress returns the shards that this worker holds, in the order of their
// ids. It may be called concurrently with Run.
func (r *Reader) Progress() []ShardProgress { return nil }
