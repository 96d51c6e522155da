// Package projector is the daemon between the log and everybody's conversation
// list: it reads the table's stream, keeps one row for every member of every
// conversation at the time of its last reply, and sends a notification to every
// recipient of every message.
//
// # From a record to its acknowledgement
//
//	stream ─ Handle ─► lane of the conversation ─ look, announce, settle, move
//	                                    │
//	                                    └─► lane of each recipient ─ send
//
// A record is acknowledged once its message is projected and all its recipients
// are told; package stream then moves the checkpoint. Each conversation has one
// worker at a time, and what arrives meanwhile is folded into its next move:
// a hundred messages cost one. Projecting and telling do not wait for each
// other, within the reader's window.
//
// # The move
//
// The rows of a conversation lie under its last reply's time, so a reply moves
// them all: put at the new key, deleted at the old one. Two workers may do so
// at once (one that was frozen and thinks that it still owns the shard), each
// may die at any point, and at no moment may a member be without a row. What
// makes that hold is the head, one small item beside the log:
//
//  1. Look: one consistent query brings the head, which says at which message
//     the rows are, which key they left (old), and whether all are put (open).
//  2. Settle: a worker that did not make the last move itself finishes it
//     first. If the head is open it puts every row at the head's key again;
//     only then does it delete the rows at old. So old is never more than one
//     key, and no move starts on one that is half done.
//  3. Nothing to do, if the head is at the newest message or past it: a replay
//     or a late arrival, which is told and moves nothing.
//  4. Put under the fence: one transaction moves the head, on the condition
//     that it is where it was read, and puts the rows. More than 99 members
//     take further transactions, each on the condition that the head is still
//     there. A worker that was overtaken fails and has written nothing.
//  5. Delete afterwards, without conditions: puts are fenced by the head, which
//     only goes forward, so a row under a key that was left never comes back.
//
// The head is ordered by time and uuid, rows by time alone. Two messages of one
// microsecond therefore keep the row's key; the rows are replaced in place and
// old stays empty, since the row at old is deleted and must never be the live
// one.
//
// In the other order, each of these steps loses or doubles rows; TestSimulation
// finds that within a few seeds for every one of them (make mutants).
//
// # What is lost to the stream
//
// A stream keeps its records for a day, and a table may get a new one. What was
// not read by then is in the log. The worker that notices records the gap in the
// control table before it reads on; the leader of the fleet closes all open gaps
// by one scan of the whole log, paced, in segments, whose progress is written
// as it goes, so that the next leader goes on with it. It is the whole log since
// a message's time is its producer's: nothing tells which messages a range of the
// stream held.
//
//	log ─ scan ─ lane of the conversation, behind those of the stream ─ …
//
// What is scanned takes the way of a record. Where all was right it moves
// nothing. A message is told again if its time is within the gap, or two minutes
// around it; any other only is projected, and counted if it had not been. The
// first start on a table is a gap of which nobody is told.
//
// # Who owns what
//
// The head and the rows are the projector's. It replaces a row as a whole, so
// an attribute that somebody else adds to one is gone with the next reply: what
// an application keeps for a user and a conversation belongs into an item of
// its own. What a later version adds to the head is carried along.
//
// # What cannot be processed
//
// A message that is damaged, or from somebody who is not in its conversation,
// is set aside in the control table, whole, with the reason. One whose
// conversation nobody has opened yet waits for half a minute, is then set aside
// too, and comes back when its members are known.
//
// Where a move fails and its messages are to blame, or no rule knows why and it
// goes on failing, the messages are parted: the older half goes first, and of
// what fails again the older half. So the one that fails is found by few failing
// moves, and is set aside alone. The rows, though, are made of the newest message
// of a part only, and of the members.
//
// When more than half of what is handled would be set aside it is not the
// messages that are wrong. Then nothing more is: Run ends with a [CircuitError],
// and what is not done comes again.
//
// # Contention and pressure
//
// A refused transaction names a reason for each action. If the head is not where
// it was read the others say nothing, and the conversation is looked at again.
// Conflicts and throttling are tried again after a pause that grows, of random
// length. What is throttled also holds back all calls of the table, since it is
// the table that has too much to do: see pressure. Conversations of more than
// one transaction hold half of the movers at most, so that others go on beside
// them.
package projector
