// Package inbox is the read side: a user's conversations by last reply, and a
// conversation's messages, newest first, in pages.
//
// While a conversation moves to the top of a user's list, its old and its new inbox
// entry both exist for a moment. Within a page a conversation appears once, as its
// newest entry. Across pages it may appear again; the iterators drop such repetitions.
// A conversation that moves to the top while later pages are read is missing from
// those pages: no other conversation can be missed.
//
// A table can have several views of its inboxes, see [postroom.View]; readers read the one
// that the table says, and switch within a second. A cursor goes on in whichever is read.
//
// A page's cursor is the last entry read, including entries that were dropped. So a
// short page is not the end; a page without a cursor is. A cursor is bound to the list
// it came from, and refused with [ErrCursor] for any other.
package inbox
