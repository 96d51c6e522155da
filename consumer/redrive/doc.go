// Package redrive moves dead letters back to the queue that they came from: all
// of them, or those that a filter takes, so many, at so many a second.
//
// # What it promises
//
//   - A letter leaves the dead-letter queue only after the queue has accepted
//     it. It keeps its body, and with it the id of the event, its group and its
//     attributes, but for [consumer.ReasonAttribute]; [CountAttribute] is how
//     often it was redriven.
//   - Its deduplication id is a new one, made from its id in the dead-letter
//     queue. With the old one SQS would accept it and store nothing while five
//     minutes have not passed since the first sending, and the message would be
//     lost. With one made up for each attempt, a redrive that is repeated after
//     a lost answer or a crash would bring a second copy. Once it is back in the
//     queue it has another id, so that the next redrive is a new one, too. After
//     five minutes, or on a standard queue, a repetition does bring one more copy
//     of the same event: at least once, as everywhere.
//   - Letters of a group go back in their order: a batch holds at most one of a
//     group, and the next waits until the last was accepted. When one fails,
//     those behind it stay. Those that stay because the filter or the queue
//     refuses them are overtaken.
//   - What came back to the dead-letter queue during a run, or was sent after
//     it began, stays there. By the clock of this machine: where that is ahead of
//     the server's, a letter may go round within a run, until
//     [Options].MaxRedrives ends it.
//
// SQS's own StartMessageMoveTask is not used: it has no filter and no dry run,
// and mixes order.
//
// # What it cannot do
//
// A queue can only be read by receiving. A run hides what it has looked at for
// two minutes at a time and gives back what stays, in order, when it ends, also
// after an error or when its context is done; if the process is killed, the
// letters come into sight by themselves. Each look raises a letter's receive
// count, which does no harm as long as the dead-letter queue has no redrive
// policy of its own.
//
// A FIFO queue hands out at most ten letters of a group at a time, and none
// behind them before those are gone. Letters behind ten of their group that
// stay cannot be looked at, in a dry run neither; [Report].Unseen counts them.
package redrive
