// Package projector is the daemon between the log and everybody's inbox: it reads
// the table's stream, keeps a row for every member of every conversation at the
// time of its last reply, and sends a notification to every recipient of every
// message.
//
// It schedules and writes no item itself. Each durable item has a package of its
// own below, whose doc.go is the protocol: projection (the head and the rows),
// quarantine (records that cannot be processed), backfill (what the stream does
// not hold), replay (what somebody wants again), and verify, which only reads.
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
// A message is quarantined if it is damaged, if its sender is not a member of its
// conversation, or if it names other members than the conversation has. The head of a
// conversation decides who its members are. Before there is a head, nobody is notified
// and no message is quarantined for its sender or its members, unless the members are
// certain ([postroom.PairUUID]). A message whose conversation nobody has opened yet
// waits for half a minute; then it is quarantined too, and requeued once its members
// are known. An operator may ask for any quarantined record to be tried again: its
// message goes the same way, behind those of the stream (retries.go).
//
// If the table refuses a move, and its error code says that what the move puts is
// wrong, the messages are bisected: the older half goes first, and of a half that fails
// again the older half. So the message that fails is found by few failing moves, and is
// quarantined alone. (Rows are made of the members and the newest message of a batch
// only.)
//
// No other error condemns a message, neither a read that fails nor an unknown error:
// it may be a failure of the server, or of a proxy in front of it, and the same call
// may succeed later. So the call is repeated, however long that takes. Meanwhile the
// shard makes no progress, and the projector is not ready.
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
