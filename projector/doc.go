// Package projector is the daemon between the log and everybody's inbox: it reads
// the table's stream, keeps a row for every member of every conversation at the
// time of its last reply, and sends a notification to every recipient of every
// message.
//
// It schedules and writes no item itself. Each durable item has a package of its
// own below, whose doc.go is the protocol: projection (the head and the rows),
// quarantine (records that cannot be processed), backfill (what the stream does
// not hold), and verify, which only reads.
//
// # From a record to its acknowledgement
//
//	stream ─ handle ─┐
//	                 ├─► lane of the conversation ─ load, enqueue, complete, move
//	backfill ─ submit┘              │
//	                                └─► queue of each recipient ─ send
//
// A record is acknowledged once its message is projected and all its recipients
// are notified; package stream then moves the checkpoint. A message's states and
// the ways between them are drawn in message.go. Each conversation is processed by
// one worker at a time, and what arrives meanwhile is folded into its next move: a
// hundred messages cost one. Projecting and notifying do not wait for each other,
// within the reader's in-flight limit. Lanes that have nothing but messages of the
// log come after the others.
//
// # What cannot be processed
//
// A message that is damaged, or from somebody who is not in its conversation, or that
// names other members than it has, is quarantined. Who the members are is decided by
// the conversation's head; before there is one, nobody is notified and no message is
// quarantined on their account, unless the members are certain ([postroom.PairUUID]). A
// message whose conversation nobody has opened yet waits for half a
// minute, is then quarantined too, and is requeued when its members are known.
//
// Where the table refuses what a move is to put, and names that as what is wrong,
// the messages are bisected: the older half goes first, and of what fails again the
// older half. So the one that fails is found by few failing moves, and is
// quarantined alone. The rows, though, are made of the newest message of a batch
// only, and of the members.
//
// Nothing else condemns a message: no read that fails, and no error that nobody
// knows. It may be a failure of the server, or of a proxy in front of it, and the
// same call may succeed later. So it is repeated, however long that takes; the shard
// makes no progress meanwhile, and is not ready.
//
// When most records would be quarantined it is not the records that are broken.
// Then the breaker trips: Run ends with a [quarantine.BreakerError], and what is
// not done comes again.
//
// # Contention and pressure
//
// A refused transaction names a reason for each action. If the head is not where
// it was read the others say nothing, and the conversation is loaded again.
// Conflicts and throttling are tried again after a pause that grows, of random
// length. What is throttled also holds back all calls of the table, since it is
// the table that has too much to do: see limiter.go. Conversations of more than
// one transaction hold half of the movers at most, so that others go on beside
// them.
package projector
