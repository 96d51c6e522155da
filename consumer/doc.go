// Package consumer works a queue: it receives messages, hands each to a
// [Handler], and deletes those that were handled. It does not know what the
// messages mean, and needs nothing but a [backend.Queue].
//
// # Guarantees
//
//   - Every message is handled successfully at least once, or ends in the
//     dead-letter queue by the queue's own redrive policy. A handler must tolerate
//     repetitions: the queue may deliver a message twice, and a message comes
//     again if the process dies between handling and deleting it.
//   - Messages of one group are handled one after the other, in the order of the
//     queue; groups run in parallel. A message without a group waits for no other.
//   - A message stays hidden from its receipt until it is settled: its visibility
//     is extended before half of it has passed, in batches, for up to 12 hours.
//   - Calls that name one receipt never overlap, and none follows the call that
//     settled the message. So a late extension cannot hide a message that was
//     released.
//   - A message received again while it is in flight is not handled again; its
//     newer receipt replaces the older one. If it was being hidden or released at
//     that time, the messages behind it in its group are released too.
//
// # Failure
//
// An error or a panic of the handler fails that message alone. The message is
// hidden for a while that grows with its receive count, and comes again. A handler
// asks for something else with an [Instruction]: [RetryAfter] a given time, [Drop]
// the message, or move it to the dead-letter queue at once ([DeadLetter]).
//
// The messages of the same group that wait behind a failed one are released, in
// order: the queue blocks the group until the failed message is back, and then
// delivers all of them from there. These receives count, so a queue's maximum
// receive count should leave room for the failures of a neighbour.
//
// A call to a queue that does not answer, is gone, or denies access is repeated
// with backoff. The log says once that a kind of call fails, and once that it
// works again. When [Worker.Run] begins, such a queue is an error.
//
// # Stopping
//
// When the context of [Worker.Run] is done, the worker stops receiving, releases
// the messages that no handler has begun, lets handlers finish while extension
// goes on, and settles what is left, all within [Options].DrainTimeout. Messages
// that are not settled by then come again when their visibility is over.
package consumer
