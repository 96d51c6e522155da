// Package stream reads a change stream in the shape of DynamoDB Streams, with
// any driver of package backend: every record at least once, parents before
// children, acknowledgements in any order, and a checkpoint that says only what
// is durably done. A [Reader] is one worker. All workers that share a control
// table and a name, [Options].Group, are a worker group and share the shards of the
// stream. Groups of different names read it independently.
//
// What follows is the protocol in overview. Each part stands in a package of its
// own, whose documentation states it so that it can be checked against that
// package alone.
//
// # In the control table
//
//	PK             SK                package
//	stream#<ARN>   WORKER#<session>  stream/internal/membership
//	stream#<ARN>   LEADER            stream/internal/membership
//	stream#<ARN>   DESTINATION       stream/internal/membership
//	stream#<ARN>   READERS           stream/internal/membership
//	stream#<ARN>   SHARD#<id>        stream/internal/lease
//	streams        <ARN>             stream/internal/lineage
//
// These are the items of [DefaultGroup]. Those of any other group stand under
// stream#<ARN>#<group>, and streams, GROUP#<group>#<ARN>; READERS is one for all.
//
// Everything stands under the stream's ARN, which changes when a stream is
// switched off and on: a position of the old stream is never applied to the
// new. Every item has a format number; a newer one than the program knows is an
// error that names it. Times in these items are for people, and for the range of
// a loss; no decision about life or death compares clocks.
//
// All of them are decoded strictly. An item that is damaged is left aside and logged
// once ([Reader.Damaged]): it stops neither the worker nor the group. The lease of a
// shard must be readable for that shard to be read, so a damaged one blocks its shard
// and the children. [Repair] says how to repair an item, and [Status.Doubt] finds leases
// that can be read and cannot be right.
//
// # Groups
//
// Each group has its own leases, checkpoints, heartbeats, leader, destination and
// history, and all that follows holds of each as if it were alone. A group begins at
// its [Start], which is stored when it reads the stream for the first time: its workers
// can be stopped and started anywhere, any number of them, and go on by its name.
// Whatever the start is, shards are read from their trim horizons. What is before it is
// acknowledged without being delivered, and was promised to nobody: a loss begins at the
// start at the earliest.
//
// A group may have an end too, [Options].Until. It has passed it in a shard where it has
// read a record that is more than a minute younger, or nothing more comes: an empty page
// proves that only where the backend says so, otherwise a minute of them that begins
// after the end does. The lease is finished then, whatever the shard still holds. Once
// all leases are, and what follows the shards that ended before is known, the group is
// done: that is written, and Run returns. A loss ends at the end at the latest.
//
// DynamoDB serves two readers of a shard at once, and throttles more. So two groups have
// places: the default one always, whoever else reads, and one other, which READERS names.
// A third is refused with a [GroupsError] while that one lives. The place of a group whose
// heartbeats all stood still for the lease duration is free to take. A worker sends its
// heartbeat first and takes the place then, by one conditional write; every worker looks
// at each look at the leases whether its group still has its place, and joins anew if not.
// So of groups that join at once the one goes on that wrote last, and the others end
// within half a minute. Until then a shard may have three readers, which costs throttling
// and nothing else.
//
// [ReadGroups] lists the groups, [ReadStatus] shows one, [RemoveGroup] forgets one.
//
// # Sessions
//
// A worker joins the group with a session that was never used before, and sends
// heartbeats. The others observe them, each on its own monotonic clock, and expire
// a session that was silent for the lease duration, by one write that all its
// leases depend on. A worker whose session is in doubt delivers, transfers and
// finishes nothing until a heartbeat succeeds, which proves that nobody has expired
// it. A worker whose session was expired stops reading, and joins again.
// Package membership has the failure detector.
//
// A worker whose [Options.Destination] differs from that of its group does not join
// while another worker is alive.
//
// # Leases
//
// The lease of a shard names its owner and is the only place where a checkpoint is
// written. Every write is conditional on the lease as it was read, and the epoch
// grows with every change of owner. So a worker that froze between looking at its
// clock and writing cannot write a checkpoint once its shard is another's. What it
// had delivered by then is beyond this package: handlers fence their own writes, or
// bear repetition. Package lease has the writes.
//
// Every worker computes the same assignment from the same table: free leases go to
// the sessions that have the fewest, and a session that has more than its share
// transfers leases to the others. A lease that its new owner does not acquire
// within a lease duration may be acquired by anybody. The leases are looked at when
// a worker has come or gone, when one notifies the others, and every thirty
// seconds. Whatever differs then between the table and what is read is put right:
// a lease that is ours and not read is read, a shard that is read and not ours is
// stopped. Package membership has the assignment.
//
// # Shards
//
// One worker leads. It lists the shards, creates their leases, parents first, and
// runs [Options.OnLead]. A shard is read once its parent is finished, from the trim
// horizon or from its checkpoint, never from the latest record. Package lineage
// knows which shards there are, package shard reads one.
//
// # Loss
//
// Records that the stream no longer holds, and that nobody has read, are a
// [DataLossError]: logged, counted, and handed to [Options.OnDataLoss], which
// records it durably. Only then does reading continue past it. Without that
// function the loss ends Run, again at each start, until somebody has taken care of
// it. Nothing is skipped in silence.
//
// # Failures
//
// Calls that fail are repeated with capped, jittered pauses, for each shard on its
// own. The log says once what is wrong with a kind of call, and once that it is
// over. Errors that only a person can fix (access denied, wrong request, not found)
// end Run at once when a first call meets them, and after two minutes later on.
//
// # Stopping
//
// When its context is done a Reader reads no more, waits up to a second for
// acknowledgements, writes the checkpoints and removes its heartbeat, which frees
// all its leases at once: the others acquire them at their next look at the group.
// Every goroutine it started has ended when Run returns.
package stream
