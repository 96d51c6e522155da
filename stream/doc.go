// Package stream reads a change stream in the shape of DynamoDB Streams, with
// any driver of package backend: every record at least once, parents before
// children, acknowledgements in any order, and a checkpoint that says only what
// is durably done. A [Reader] is one worker; at any time one worker reads a
// stream, and another takes over when it stops or dies.
//
// What follows is the protocol.
//
// # In the control table
//
//	PK             SK          attributes
//	stream#<ARN>   OWNER       owner run epoch counter lease_ms renewed_at
//	stream#<ARN>   SHARD#<id>  owner run epoch shard parent checkpoint checkpoint_time
//	                           finished finished_at lost
//	streams        <ARN>       first_read_at
//
// Everything stands under the stream's ARN, which changes when a stream is
// switched off and on: a position of the old stream is never applied to the
// new. Times in these items are for people; no decision about life or death
// compares clocks.
//
// # Who reads
//
// OWNER names the worker that reads, the run of it (two processes may have one
// name), an epoch that grows with every change of owner, and a counter that the
// owner raises three times in each lease duration. Every write of the item is
// conditional on all four as they were read.
//
//   - No item, or one with an empty owner: a newcomer takes it, with the next
//     epoch.
//   - An owner: the newcomer watches the counter, for the longer of its own
//     and the owner's lease duration and on its own monotonic clock. It moves:
//     [OwnedError]. It does not: the owner counts as dead, and the item is taken
//     on the condition that it is still the one that was watched.
//
// The owner measures its lease from before it sent its last successful renewal,
// the newcomer from after it read that renewal's result: the newcomer's wait
// ends later, if both clocks run at about one speed. An owner whose lease has
// run out delivers and checkpoints nothing until a renewal succeeds, which
// proves that nobody has taken the stream meanwhile; it fails with [LostError]
// if somebody has. So an outage of the control table is sat out.
//
// A process can freeze between looking at its lease and acting on it. That is
// why a shard's item, its lease, has an epoch of its own: the new owner takes
// each lease with the next epoch before it reads the shard, and every checkpoint
// is conditional on owner, run, epoch and the checkpoint before. A worker that
// wakes up too late cannot write one, and learns from the attempt. What it had
// handed to its handler by then is beyond this package: handlers fence their
// own writes, or bear repetition.
//
// Taking a lease is conditional on what was read of it. If that changed, the
// worker first confirms its ownership by a renewal and then tries again with
// what it found. Without the renewal, a worker that slept after taking the
// stream could take leases back from its successor.
//
// An answer can be lost after the write has happened; repeated, the write fails
// its own condition. So a failed condition is no verdict: what it found is
// looked at, and a write of this very run is adopted.
//
// # What is read when
//
// Shards form a forest. A shard is read once its parent is finished, and always
// from the trim horizon or from its checkpoint, never from the latest record. A
// parent that is neither remembered nor in a complete listing is gone and blocks
// nobody. A listing that failed half way is used for what it found, and decides
// nothing about what it did not.
//
// A shard ends with an empty next iterator, and with nothing else: not with
// EndingSequenceNumber, a listed child or a number of empty pages. A parent that
// is listed open beside its child is read on; if it brings nothing for five
// minutes and does not end, the log says so, and the child goes on waiting,
// since beginning it early would break the order of its items for good.
//
// A shard is finished when all its records are acknowledged and the lease says
// so: persisted first, then believed. Then its children begin, and where none
// are known they are looked for at once, ten times with growing pauses, and by
// the periodic listing afterwards. A finished shard's lease stays until 48 hours
// have passed, the shard has left the listing and its children have begun.
//
// # What is acknowledged
//
// Records are acknowledged in any order. The checkpoint is the last record
// before the first that is not, compared as a number, and never goes back. It is
// written by time, by count, at the end of the shard and at a stop. At most
// Window records are out at once, over all shards; when they are, reading
// pauses. An expired iterator is replaced by one after the last record read.
//
// # What is lost
//
// A position that was trimmed, a shard that is gone before it was finished, a
// stream that was replaced: each is a [DataLossError], logged, written to the
// lease with the last position and time known, and the end of the run. Nothing
// is skipped in silence. A shard of before the very first start that expired
// unread is no loss, since nobody was promised it.
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
// to DrainTimeout, writes the checkpoints and releases the stream, so that the
// next worker begins at once. Every goroutine it started has ended when Run
// returns.
//
// # Several workers
//
// A lease has an owner and an epoch of its own so that shards can be shared: a
// fleet would need a heartbeat item for each worker in OWNER's place, and a
// choice of leases. The reading of a shard does not change with that.
package stream
