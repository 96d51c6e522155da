// Package lineage knows which shards a stream has and had. It lists them, creates
// a lease for each, finds the children of a shard that has ended, and removes
// leases that have served. It is the only code that reads or writes the item
//
//	PK       SK     attributes
//	streams  <ARN>  format first_read_at listed_at maybe_first
//	                start_at start_shard start_sequence until done_at
//
// which each worker group has for itself: that of another than the default group is at
// GROUP#<group>#<ARN>.
//
// # Shards
//
// Shards form a forest. A shard is read once its parent is finished. A parent that
// has no lease is gone and blocks nobody; for that to be true leases are created
// parents first, and a shard whose parent is neither known nor listed gets its
// lease only after a complete listing. A listing that failed half way is used for
// what it found, and decides nothing about what it did not find.
//
// The leader syncs the leases with the listing every thirty seconds, and sooner
// while a finished shard has no children yet ([Sync]). The worker that has read a
// shard looks for its children itself, ten times with growing pauses ([Children]).
//
//	listed      lease       what Sync does
//	yes         none        creates a free lease: parents first
//	yes         finished    keeps it, so that the shard is not read again
//	no          finished    deletes it after 48 hours, once its children have begun
//	no          unfinished  nothing: its reader notices
//
// While any lease is damaged none is deleted: it may be that of a child.
//
// # What is lost between generations
//
// A listed shard that is new although its parent has no lease came of a shard that
// came and went while nobody listed: that is a [LossError], bounded by the time of the
// last complete listing. Only at the first start is it none.
//
// # Streams
//
// The item of a stream says when it was first read, and when it was last listed
// completely. A stream without an item is read for the first time. If the control
// table knows another stream of the same table, the new one has replaced it, and
// what was left in the old one is a [LossError]. If not, the table may still be older
// than its stream: that is a LossError with FirstStart, of what was promised to nobody.
//
// A group that begins elsewhere than at the trim horizon resolves its start to a time
// before it writes its item: the latest record to the time of its clock, a sequence
// number to the time of that record. Sync writes the start into every lease. Nothing is
// reported as lost that is older, not at the first start either. If the start is older
// than what the stream holds for certain, or than the stream, what lies between is a
// LossError. In a stream that replaces the one that the group has read it begins at the
// same time, and so reads everything.
//
// A group with an end is done, and done_at says so, once a complete listing shows no
// shard without a lease, all leases are finished, and each of them has passed the end,
// has children, or ended an hour ago without any. The leader decides that, and listings
// follow one another in two seconds once the end is past.
//
// Two workers may begin with two streams of a table at once, one of them frozen
// before the stream was replaced. So each writes its item first and looks for
// others then; maybe_first says that somebody has still to look, also after a crash
// between the two steps. One of them sees both, and reports what lies between them.
//
// A damaged item is replaced: the oldest time up to which an unfinished shard was read
// is early enough to stand for the time of the last listing.
//
// Each loss goes to a [Recorder] before reading continues past it. If nobody records
// losses, the loss ends the session, and is reported again at each start until a
// person has deleted the item that it follows from.
package lineage
