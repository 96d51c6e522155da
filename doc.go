// Package postroom is the vocabulary of a direct-messaging back end on one
// DynamoDB table: messages, the people in a conversation, what each of them
// sees of it, the notifications they get, and the keys under which all of that
// is stored.
//
// Producers append [Message] items to the log. The projector folds them into
// one [Group] row for every member of the conversation, ordered by last reply,
// and rings the bell with a [Notification] for everybody but the sender.
//
// # One table
//
//	item           PK                     SK
//	message        <message_group_uuid>   MSG#<created_at>#<message_uuid>
//	head           <message_group_uuid>   HEAD
//	message group  grp#<user_uuid>        <last_reply_at>#<message_group_uuid>
//
// Times are UTC, RFC 3339, of fixed width down to the microsecond, so that they
// sort as text and a prefix of one ("MSG#2026-05") names a year, a month or a
// day. UUIDs are canonical and lower case and are checked wherever they enter:
// a conversation called "grp#…" would otherwise write into somebody's inbox.
//
// The package holds values and pure functions only. It talks to nothing, and
// everything in it may be used concurrently.
package postroom
