// Package shard reads one shard: it opens an iterator, delivers records as far as
// the in-flight limit allows, tracks their acknowledgements, saves the checkpoint,
// and finishes the shard, or transfers it to another worker. Of the rest of the
// session it knows what [Env] gives it.
//
// # Phases
//
// One step at a time works on a shard. A step reads some pages, or does what is
// next in another phase, and says how long the shard rests.
//
//	            the next iterator is empty          all acknowledged, saved
//	reading ──────────────────────────────► ended ─────────────────────────► finished
//	   │                                                                        │
//	   │ TransferTo                                          children acquired, │
//	   ▼                                              or looked for in vain     ▼
//	draining ── all acknowledged, or the drain timeout; saved ──► transferred  done
//
// [Shard.Stop] ends it in any phase: the lease is another's, or the session ends.
//
// # Reading
//
// A shard is opened after the checkpoint, or at the trim horizon, and never at the
// latest record. Records before the group's start (lease.Start) are acknowledged as they
// are read, in their order with the others, and not delivered. An iterator that expired is replaced by one after the last record
// read. After a full page the shard is read again at once, after a smaller one in
// the poll interval, after empty ones in up to the longest idle pause. A shard ends
// with an empty next iterator and, but for the end of its group, with nothing else: not with EndingSequenceNumber,
// a listed child or a number of empty pages. A parent that is listed open beside
// its child is read on; if it brings nothing for five minutes the log says so.
//
// An empty page proves nothing: more may follow. For the tests of idleness it counts,
// where little depends on it. But for what a loss begins with, a shard counts as read
// to its tip only after a minute of empty pages from one chain of iterators, or where
// the backend says so (backend.RecordPage.Tip). Then its position gets a later time,
// an hour before that: nothing unread was made before it. The lease is told once in an
// hour, so that a shard in which nothing happens for days is known to have been read
// for days, and the worker that begins with it reports no loss.
//
// Before records are delivered, and before a shard is finished or transferred,
// Env.Fence must say that the session is valid.
//
// # Acknowledgements
//
// Records are acknowledged in any order. The checkpoint is the last record before
// the first that is not acknowledged, compared as a number. It goes back only past
// a loss. Records of a call of the handler that failed are refused: they free their
// room, and the checkpoint stays before the first of them.
//
// A shard is finished when all its records are acknowledged and its lease says so:
// saved first, then believed. Then its children are looked for and acquired, so
// that a shard that rolls changes no balance and waits for nobody.
//
// At a transfer the owner reads no more, waits for acknowledgements up to the drain
// timeout, and writes the lease with its checkpoint and the new owner in it. So
// the shard never is without an owner.
//
// # Loss
//
// A position that was trimmed; a shard that is gone before it was finished; a shard
// whose beginning may have been trimmed, since nobody read it or its parent for
// longer than the stream keeps records: each goes to Env.Record first, with the
// times before which and after which nothing is lost. Only then is the shard read
// on from what is left, with the loss noted in its lease. If nobody records losses
// the loss is noted and ends the session. What was trimmed or is gone when not even the
// group's start is so old was promised to nobody, and is no loss; what is
// younger than its end neither.
//
// # Damage
//
// If the stream refuses the position at the checkpoint five times as invalid, somebody
// has changed the lease: the step fails with an item.DamageError, and the session stops
// reading the shard until the lease has another checkpoint.
//
// # Schedule
//
// Shards wait in one [Queue] until they are due, and a bounded number is read at
// once: an idle shard costs an entry in a heap and no goroutine.
package shard
