// Package consumer works a queue: it receives messages, hands each to a
// [Handler], and deletes what was handled. It knows nothing of what the
// messages mean and needs no more than a [backend.Queue].
//
// # What it promises
//
//   - Every message is handled to success at least once, or goes to the queue's
//     dead-letter queue by the queue's own redrive policy. A handler has to
//     bear a repetition: the queue may deliver twice, and a process that dies
//     after handling and before deleting is given the message again.
//   - Messages of one group are handled one after the other, in the order of
//     the queue; groups run in parallel. A message without a group waits for
//     nobody.
//   - From its receipt until it is settled a message is kept out of sight: its
//     visibility is extended before half of it has passed, in batches, for up
//     to 12 hours.
//   - Calls that name one receipt never overlap, and none is made after the
//     message was deleted or given back, so no late extension hides what was
//     given back.
//   - A message received again while it is in hand is not handled again. Its
//     newer receipt takes the place of the older one. Where it was just being
//     hidden or given back, what comes behind it in its group goes back as well.
//
// # Failure
//
// A handler's error, or its panic, fails that message alone. It is hidden for a
// while that grows with its receive count, and comes again. With an [Instruction]
// the handler says otherwise: [RetryAfter] a time of its own, [Drop] it, or have
// it sent to the dead-letter queue at once, with the reason ([DeadLetter]).
//
// The messages of the same group that wait behind one that failed go back to the
// queue unhandled, in order: the queue blocks the group until the failed one is
// back, and then delivers all of them from there. Those receives count, so a
// queue's maximum receive count should leave room for a neighbour's failures.
//
// A queue that does not answer, is gone, or denies access is asked again with
// backoff. The log says once what is wrong with a kind of call, and once that it
// is over: when all that failed got through and nothing has failed for ten
// seconds. At the start of [Worker.Run] it is an error.
//
// # Stopping
//
// When the context of [Worker.Run] is done the worker stops receiving, gives
// back what no handler has begun, lets handlers finish while extension goes
// on, and flushes deletes, all within [Options].DrainTimeout. What is not
// settled by then comes again once its visibility has passed.
package consumer
