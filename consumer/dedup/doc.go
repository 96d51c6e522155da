// Package dedup has a notification handled once, however often the queue brings
// it: a [Handler] stands before another one, and a [Store] remembers ids.
//
// A FIFO queue drops what is sent again within five minutes, and no longer. What
// comes after that is a replay of the stream, a recovery from the log, a
// redrive, or a message whose deletion failed: another message, with the same
// notification and the same id.
//
// # The protocol
//
// An id is claimed for one call of the handler, for a lease. While the claim
// holds nobody else has the id: a repetition comes again when the claim would
// have run out. A handler slower than a third of the lease has its claim renewed
// each third. What was handled is recorded, and repetitions are dropped until the
// record's time to live is over. After a failure the claim is released, and the
// next delivery claims anew.
//
// So an id is handled again only
//
//   - after its time to live;
//   - after a failure, which is what a retry is;
//   - once more where a worker dies, or the store does not answer for half a
//     lease, between handling and recording: the claim runs out, and whoever gets
//     the message next cannot know. Nothing stays claimed for ever;
//   - where a claim could not be renewed for two thirds of a lease: the store was
//     away, or the process stood still. If another took the id meanwhile, the
//     context of the handler is cancelled with the cause [ErrLost], and the late
//     record is refused.
//
// Only a record has a message dropped, and it is written after handling. So none
// of this loses a notification. A handler still has to bear a repetition; this
// package makes it rare.
//
// # When the store does not answer
//
// A message whose id cannot be claimed is kept, and its visibility extended by
// the worker, until the store is back: an outage consumes no receive counts. The
// log says once what is wrong and once that it is over. What only a person can
// mend (access denied, no such table, an invalid request) is a failure of the
// message after two minutes.
//
// # Costs
//
// In a [Table], an item is less than a KB, so each write is one unit, a refused
// one included: 2 units for each notification, one to claim and one to record; 1
// for each repetition dropped or found in hand; 2 to claim after a failure or
// after the time to live, and 1 to release; 2 for each third of a lease of a slow
// handler. Removal by the table's time to live is free.
// Source: DynamoDB developer guide, read and write operations; time to live.
//
// # Clocks
//
// A [Table] compares the expiry that one machine wrote with the clock of another.
// A clock that is ahead sees claims and records end earlier by as much: while
// clocks agree to within two thirds of the lease (40 s by default) no claim that
// is being renewed looks expired, and beyond that an id may be handled twice, at
// once. A clock that is behind waits longer by as much after a crash. Nothing is
// lost to either. A [Memory] has one clock.
package dedup
