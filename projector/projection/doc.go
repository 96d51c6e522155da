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
// conversation belongs in an item of its own. Attributes that a later version adds
// to the head are carried along.
package projection
