// Package directory knows who people are: a profile for each user, and who has which
// handle.
//
// A profile is the item `usr#<user_uuid>`, `PROFILE`. A handle is the item
// `handle#<folded handle>`, `HANDLE`, which names the user. One transaction writes both, on
// the condition that both are as they were read:
//
//   - A profile that names a handle, and the item of that handle, name each other. So a
//     handle is that of one user.
//   - Changing a handle frees the old one in the same transaction.
//   - A writer that was overtaken, or that wakes up late, fails its condition and has
//     written nothing. It reads again and decides anew.
//   - Where an answer is lost, the transaction is repeated under its token, and after that
//     what is read shows that it was made.
//
// Nothing but a person with the table's keys can make the two disagree. An item of a handle
// that its user's profile does not name holds nobody up: whoever takes the handle replaces
// it, on the condition that this profile is still as it was read.
//
// The messages of the log have names of their own, those of the time of sending. They are
// not looked up here, and the projector neither reads nor writes these items.
package directory
