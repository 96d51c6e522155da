// Package dedup has a notification handled once, however often the queue delivers
// it: a [Handler] stands in front of another handler, and a [Store] remembers ids.
//
// A FIFO queue drops what is sent again within five minutes, and no longer.
// Repetitions after that come from records of the stream that are read again, a backfill
// from the log, a redrive, or a message whose deletion failed. To the queue they are other
// messages, but they carry the same notification with the same id.
//
// What an operator has replayed is meant to be handled again, once for each replay: the id
// by which a notification is remembered is postroom.Notification.DeduplicationID.
//
// # The protocol
//
// An id is claimed for one call of the handler, for a lease of one minute. While the
// claim holds, nobody else can have the id: a repetition comes again when the claim
// would expire. A handler slower than a third of the lease has its claim renewed
// each third. A handled id is recorded, and repetitions are dropped until the
// record's time to live is over. After a failure the claim is released, and the next
// delivery claims the id anew.
//
// So an id is handled again only
//
//   - after its time to live;
//   - after a failure, as the retry;
//   - once more if a worker dies, or the store does not answer for half a lease,
//     between handling and recording: the claim expires, and the next worker cannot
//     know. No id stays claimed for ever;
//   - if a claim could not be renewed for two thirds of a lease, because the store
//     was away or the process was suspended. If another worker has claimed the id
//     meanwhile, the context of the handler is cancelled with the cause [ErrLost],
//     and the late record is refused.
//
// Only a record makes the handler drop a message, and a record is written after
// handling. So none of this loses a notification. The next handler must still
// tolerate a repetition; this package makes it rare.
//
// # When the store does not answer
//
// A message whose id cannot be claimed stays in flight, and the worker extends its
// visibility, until the store is back: an outage does not use up receive counts. The
// log says once when it begins and once when it ends. The same holds where access is
// denied or the table is gone, until somebody fixes it: no message is to blame. Only
// an invalid request, or an item that cannot be read, fails the message.
//
// # Costs
//
// In a [Table], an item has less than 1 KB, so each write is one unit, also a refused
// one: 2 units for each notification, one to claim and one to record; 1 for each
// repetition that is dropped or put off; 2 to claim after a failure or after the time
// to live, and 1 to release; 2 for each third of a lease of a slow handler. Removal
// by the table's time to live is free.
// Source: DynamoDB developer guide, read and write operations; time to live.
//
// # Clocks
//
// A [Table] compares the expiry that one machine wrote with the clock of another. A
// clock that is ahead sees claims and records expire earlier by as much: while clocks
// agree to within two thirds of the lease (40 s), no claim that is being renewed
// looks expired, and beyond that an id may be handled twice, at the same time. A
// clock that is behind waits longer by as much after a crash. Neither loses a
// message. A [Memory] has one clock.
package dedup
