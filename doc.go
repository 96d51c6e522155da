// Package postroom is the vocabulary of a direct-messaging back end on one DynamoDB
// table: messages, the people in a conversation, the inbox entry that each of them
// sees, the notifications they get, and the keys under which all of that is stored.
//
// Producers append [Message] items to the log. The projector folds them into one inbox
// entry, a [Group], for every member of the conversation, ordered by last reply, and
// sends a [Notification] to everybody but the sender.
//
// # One table
//
//	item          PK                     SK
//	message       <message_group_uuid>   MSG#<created_at>#<message_uuid>
//	head          <message_group_uuid>   HEAD
//	inbox entry   grp#<user_uuid>        <last_reply_at>#<message_group_uuid>
//	of a [View]   grp.<view>#<user_uuid> <last_reply_at>#<message_group_uuid>
//	the views     views                  VIEWS
//	profile       usr#<user_uuid>        PROFILE
//	handle        handle#<handle>        HANDLE
//
// Times are UTC, in RFC 3339 of a fixed width down to the microsecond, so that they
// sort as text and a prefix ("MSG#2026-05") selects a year, a month or a day. UUIDs are
// canonical and lower case, and are checked wherever they come in: otherwise a
// conversation called "grp#…" would write into somebody's inbox.
//
// The package has only values and pure functions. It makes no calls, and everything in
// it may be used concurrently.
package postroom
