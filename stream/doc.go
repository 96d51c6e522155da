// Package stream reads a change stream in the shape of DynamoDB Streams, with
// any driver of package backend: every record at least once, parents before
// children, acknowledgements in any order, and a checkpoint that says only what
// is durably done. A [Reader] is one worker; all workers that share a control
// table are a fleet and share the shards of the stream.
//
// What follows is the protocol.
//
// # In the control table
//
//	PK             SK            attributes
//	stream#<ARN>   WORKER#<session>  worker session counter lease_ms renewed_at leads notify expired
//	stream#<ARN>   LEADER            worker session epoch counter lease_ms renewed_at
//	stream#<ARN>   SHARD#<id>        worker session epoch shard parent checkpoint checkpoint_time
//	                                 finished finished_at lost
//	streams        <ARN>             first_read_at listed_at maybe_first
//
// Everything stands under the stream's ARN, which changes when a stream is
// switched off and on: a position of the old stream is never applied to the
// new. Times in these items are for people, and for the range of a loss; no
// decision about life or death compares clocks.
//
// # Who lives
//
// A worker joins with an item of its own, WORKER#, under a run id that nobody
// used before, and raises the counter in it three times in each lease duration.
// Every write of the item is conditional on the counter as it was written last.
//
// The others watch the counter, each on its own monotonic clock, ten times in a
// lease duration. If it has stood still for the longer of both lease durations
// the worker is declared dead: its item is replaced by a tombstone, on the
// condition that the counter is still the one that was watched, and removed. That
// one write is the fence of all its leases. It fails if the worker has shown a
// sign of life meanwhile; otherwise the worker's next sign fails, and tells it.
//
// A worker measures its lease from before it sent its last successful sign, the
// others from after they read it: they wait longer, if all clocks run at about
// one speed. A worker whose lease has run out delivers, hands over and finishes
// nothing until a sign succeeds, which proves that nobody has declared it dead. So
// an outage of the control table is sat out. One that was declared dead drops its
// shards, and joins anew.
//
// # Whose a shard is
//
// SHARD# is the lease of a shard, and the only place where a checkpoint is
// written. It names the run that owns it; a lease without an owner, or whose
// owner has no living WORKER# item, is free. (Leases are read before the signs of
// life: in the other order an owner that has just joined would look dead.) Every
// write is conditional on owner, run, epoch, checkpoint and end as they were
// read, and the epoch grows with every change of owner. A worker that froze
// between looking at its clock and writing cannot write a checkpoint once its
// shard is another's. What it had handed to its handler by then is beyond this
// package: handlers fence their own writes, or bear repetition.
//
// Every worker computes the same plan from the same table. Free leases go to
// those that have least; who has more than its share hands leases over to those
// that have less. Shares differ by at most one, the remainder stays where it is,
// and so a fleet that is balanced moves nothing, and no lease moves more than
// once when a worker comes or goes. Leases are given and not stolen: the owner
// stops reading, waits for acknowledgements for the drain timeout at most, and
// writes the lease with its checkpoint and the new owner in it. There is no
// moment without an owner, and no request that may stay unanswered. A free lease
// that is left alone for a lease duration by whom the plan gives it to may be
// taken by anybody.
//
// Leases are looked at when a worker has come or gone, when one says in its sign
// of life that it wrote some that concern others (changes), and at each
// DiscoverInterval. Whatever differs then between the table and what is read is
// mended: a lease that is ours and not read is read, a shard that is read and not
// ours is dropped.
//
// An answer can be lost after the write has happened; repeated, the write fails
// its own condition. So a failed condition is no verdict: what it found is
// looked at, and a write of this very run is adopted.
//
// # Who leads
//
// LEADER names one worker that does what is to be done once: it lists the shards
// and writes free leases for new ones, parents before children, so that whoever
// finds a lease without its parent's knows that the parent is gone. It removes
// leases that have served, and runs [Options.OnLead]. Two leaders at once, after a
// freeze, do each other no harm.
//
// # What is read when
//
// Shards form a forest. A shard is read once its parent is finished, and always
// from the trim horizon or from its checkpoint, never from the latest record. A
// parent without a lease is gone and blocks nobody. A listing that failed half
// way is used for what it found, and decides nothing about what it did not.
//
// A shard ends with an empty next iterator, and with nothing else: not with
// EndingSequenceNumber, a listed child or a number of empty pages. A parent that
// is listed open beside its child is read on; if it brings nothing for five
// minutes and does not end, the log says so, and the child goes on waiting,
// since beginning it early would break the order of its items for good.
//
// A shard is finished when all its records are acknowledged and the lease says
// so: persisted first, then believed. Then whoever has read it looks for its
// children, ten times with growing pauses, and takes them: a shard that rolls
// changes no balance and waits for nobody. Children that appear later still are
// found by the leader. A finished shard's lease stays until 48 hours have passed,
// the shard has left the listing and its children have begun.
//
// Shards wait in one queue until they are due, and a bounded number is read at
// once: an idle shard costs a place in that queue. After a full page a shard is
// read again at once, after a small one in PollInterval, after empty ones in up
// to MaxIdle.
//
// # What is acknowledged
//
// Records are acknowledged in any order. The checkpoint is the last record
// before the first that is not, compared as a number, and goes back only past a
// loss. It is written by time, by count, at the end of the shard, when it is
// handed over and at a stop. At most MaxInFlight records and MaxInFlightBytes bytes are out
// at once, over all shards; when they are, reading pauses. An expired iterator is
// replaced by one after the last record read.
//
// # What is lost
//
// A position that was trimmed; a shard that is gone before it was finished; one
// whose beginning may have been trimmed, since nobody read it or its parent for
// longer than the stream keeps its records; a generation of shards that came and
// went; a stream that was replaced: each is a [DataLossError], logged and counted,
// with the time before which and after which nothing is lost. It is handed to
// [Options.OnDataLoss], which makes it known durably; only then is the shard read on
// from what is left, with the loss noted in its lease. Where there is no such
// function the loss ends the run, and stays there until somebody mends it.
// Nothing is skipped in silence.
//
// What is older than the very first start was promised to nobody. It is handed
// over in the same way, as unpromised.
//
// # Trouble
//
// Calls that fail are repeated with capped, jittered pauses, for each shard on
// its own. The log says once what is wrong with a kind of call, and once that it
// is over: when all that failed got through and nothing has failed for ten
// seconds. Errors that only a person can mend (access denied, wrong request,
// nothing of that name) end a run at once when they meet its first calls, and
// after two minutes later on.
//
// # Stopping
//
// When its context is done a Reader reads no more, waits for acknowledgements up
// to DrainTimeout, writes the checkpoints and removes its sign of life, which
// makes all its leases free at once: the others have them at their next look at
// the fleet. Every goroutine it started has ended when Run returns.
package stream
