// Package redrive moves dead letters back to the queue that they came from: all of
// them or those that a filter wants, up to a number, at a given rate.
//
// # Guarantees
//
//   - A dead letter leaves the dead-letter queue only after the queue has accepted
//     it. It keeps its body, and so the id of the event, its group, and its
//     attributes except [consumer.ReasonAttribute]; [CountAttribute] counts how
//     often it was redriven.
//   - Its deduplication id is a new one, made from its id in the dead-letter queue.
//     With the old one, within five minutes of the first sending, SQS would accept
//     the message and store nothing, and the message would be lost. With a new id for
//     each attempt, repeating a redrive after a lost answer or a crash would store a
//     second copy. If the message fails again, it has another id in the dead-letter
//     queue, so the next redrive works too. After five minutes, or on a standard
//     queue, a repetition does store one more copy of the same event: at least once,
//     as everywhere.
//   - Dead letters of a group go back in their order: a batch holds at most one of a
//     group, and the next waits until the last was accepted. When one fails, those
//     behind it stay. Those that stay because the filter does not want them or the
//     queue refuses them are overtaken.
//   - A message that reaches the dead-letter queue after the run began stays there.
//     This goes by the clock of this machine: if it is ahead of the server's, a
//     message may go round within a run, at most ten times.
//
// SQS's own StartMessageMoveTask is not used: it has no filter and no dry run, and
// does not keep the order.
//
// # Limits
//
// A queue can only be read by receiving. A run hides the dead letters that it has
// seen for two minutes at a time and releases those that stay, in order, when it
// ends, also after an error or when its context is done; if the process is killed,
// they come into sight by themselves. Each receive raises a dead letter's receive
// count, which does no harm as long as the dead-letter queue has no redrive policy of
// its own.
//
// A FIFO queue delivers at most ten messages of a group at a time, and none behind
// them before those are gone. Dead letters behind ten of their group that stay cannot
// be seen, nor can they in a dry run; [Report].Unseen counts them.
package redrive
