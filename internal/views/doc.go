// Package views owns the item that says which views a table has, which of them readers
// read, and what becomes of the others. It lies in the table itself, since readers need
// it; a table without it has the default view alone.
//
// A view is filled, ready, and dropped:
//
//	filling    moves put its rows; those of conversations that nobody has moved since may
//	           be missing
//	ready      it has the rows of every conversation; readers may be switched to it
//	dropping   moves put no rows there any more, and what is left is being deleted
//
// Every change of the item is made on the condition that it is as it was read, to its
// last attribute.
//
// # Who knows when
//
// A worker, and a reader, goes by what it has read within [MaxAge], by its own monotonic
// clock. So [Settle] after a change nobody begins anything by what was before, and whoever
// began earlier had all that it works on before that time:
//
//   - A view is filled, from the log, only Settle after it was added. A move that was
//     planned without the view is of a message that was in the log by then. So filling
//     finds its conversation; if the move comes later, its condition fails.
//   - A view is dropped only if readers have been elsewhere for Settle, and its rows are
//     deleted only Settle after that.
//
// Rows of a dropped view are deleted without a condition, and whoever does that may be frozen
// and go on when the view is long forgotten. So a view's name is never used again; a small
// item for each remembers that.
//
// Which views a conversation's rows are in is said by its head, with the generation of the
// item that it was taken from. It only grows: a worker that knows less than the head goes by
// the head.
package views
