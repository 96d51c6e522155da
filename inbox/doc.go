// Package inbox is the read side: a user's conversations by last reply, and a
// conversation's messages, newest first, in pages.
//
// While a conversation moves to the top, its old and its new row are both there
// for a moment. Within a page a conversation appears once, as its newest row;
// across pages it may appear again, and the iterators drop what they have
// yielded before. A conversation that moves to the top while later pages are
// read is not found there: skipped is only what moved up.
//
// A page's cursor is the last row read, rows that were dropped included. A
// short page is not the end; a page without a cursor is. A cursor is bound to
// the list it came from, and refused with [ErrCursor] for any other.
package inbox
