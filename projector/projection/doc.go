// Package projection owns what is computed from a conversation's messages: its
// head, and for each member a row, the entry in the member's inbox. It alone
// encodes, decodes and writes these items.
//
// The rows of a conversation lie under the time of its last reply, so a reply
// moves them all: each is put at its new key and deleted at the old one. Two
// workers may do so at once (one of them was frozen and believes that it still
// owns the shard), and each may die at any point. At no moment may a member be
// without a row. What makes this hold is the head, one small item beside the log:
//
//	HEAD  last_reply_at, last_message_uuid   the message whose rows these are
//	      old                                the key that the last move left
//	      open                               not all rows are known to be put
//	      opened_by                          the message that names the members
//	      moved_at                           when it was moved last
//	      views, views_generation            in which views the rows are; the default one if
//	                                         both are missing
//
// # The move
//
//  1. [Projection.Load]: one consistent query reads the head.
//  2. [Projection.Complete] the previous move: a worker that did not make it
//     finishes it first. If the head is open, it puts every row at the head's key
//     again, and only then deletes the rows at old. So old is never more than one
//     key, and no move starts from one that is half done.
//  3. If the head is at the newest message or past it, there is nothing to move:
//     a replay or a late arrival. See [Conversation.Reached].
//  4. [Projection.Move] puts under the fence: one transaction moves the head, on
//     the condition that it is where it was read, and puts the rows. More than 99
//     members take further transactions, each on the condition that the head is
//     still there. A worker that was overtaken fails and has written nothing.
//  5. It deletes afterwards, without conditions: puts are fenced by the head,
//     which only goes forward, so a row under a key that was left never comes
//     back.
//
// The head is ordered by time and uuid, rows by time alone. Two messages of one
// microsecond therefore keep the row's key: the rows are replaced in place and old
// stays empty, since the row at old is deleted and must never be the live one.
//
// In any other order these steps lose or double rows. TestSimulation of package
// projector finds that within a few seeds for each of them (make mutants).
//
// # Restoring
//
// [Projection.Restore] is the one way to make a conversation right that nobody's move
// left so: rows that are missing, edited or in wrong places, a head that is gone, behind
// or ahead. Moves cannot do that: they believe the head, and never go back. Its writes
// differ from theirs in two respects. They go ahead only while the head is what it was
// to its last attribute, the time of its move included, so that not even a head that was
// set back and forth in between lets an old decision through; and that holds for
// deletions too, since a row above the head may be live a moment later. Such a deletion
// costs twice as much.
//
// A head is only put back if its message is not in the log when the log is read after
// it. A projector that found that head may have taken messages for late ones, and moved
// nothing. So the log is read once more afterwards. Should the message of the head be on
// its way after all (a restored or replicated table), its own record moves the
// conversation there again.
//
// One thing Restore cannot fence: a worker that moved to a message which somebody then
// removed from the log, and froze before it deleted the rows that it left. If it wakes up
// after the head was put back, it deletes rows that are live again; the next
// verification finds them missing. Who removes messages from the log stops the
// projectors first.
//
// # Views
//
// A table can have several views (see package views): copies of all rows, in partitions of
// their own and perhaps in another format. The rows of a conversation are in those that its
// head names, under the same sort key in each. A move puts them in all of them by the same
// transactions and deletes those that it leaves in all of them, so each view is as right as
// the one that was there first. Which they are:
//
//   - A move goes by the views of the table, if they are of a later generation than the
//     head's, and otherwise by the head's. So a worker that has not heard of a view takes no
//     conversation out of it, and one that has not heard that a view was dropped brings none
//     back.
//   - Restore brings a conversation that nobody moves into the views of the table. That
//     changes the head while it stays at its message, so it counts as a move: moved_at is
//     another one afterwards, and a condition on the head is one on moved_at too. A move that
//     was planned before fails.
//   - Rows in a view that was dropped are left where they are. Nobody reads them, and whoever
//     drops the view deletes them all.
//
// # Who the members are
//
// The first message of the log that names any opens the conversation. The first move
// records it as opened_by, on the condition that there is no head, and every later
// move carries it along. So no other message can replace the members, whatever its
// time is.
//
// After any error a [Conversation] is void and has to be loaded again.
//
// # Who owns what
//
// A row is replaced as a whole, so an attribute that somebody else adds to one is
// gone with the next reply: what an application keeps for a user and a
// conversation belongs in an item of its own, which may be in the conversation's
// partition. Attributes that a later version adds to the head are carried along.
package projection
