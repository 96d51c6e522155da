// Package rebuild makes the projection anew from the log. It alone encodes, decodes and
// writes the items of rebuilds.
//
// Somebody asks for a rebuild of everything, of conversations or of users ([Start]). The
// leader of the worker group carries it out ([Rebuilder.Lead]), at a bounded rate, and
// writes about once a second how far it is. After a crash the next leader goes on from
// there. Several that were asked for are carried out one after the other.
//
//	rebuild | JOB#id   what was asked for, its state, how far it is, what could not be done
//
// # What it does
//
// The whole table is read in segments side by side. Each conversation that comes by, by
// its messages or its head, is restored from its log; see [projection.Projection.Restore]
// for how, and why that is right beside others that move it: a live conversation is never
// moved back. Rows come by too. One that is not a member's in its place is left over from
// something: its conversation is restored on its account, which deletes it. So no index
// is needed. Where conversations are named, only they are read, and leftover rows of
// theirs are found by the index or in the lists of their members.
//
// A conversation that cannot be restored is counted and named with the reason, and the
// rebuild goes on. Nobody is notified of anything.
//
// # Views
//
// A view of the table (package views) is filled, and dropped, by a rebuild that looks at heads
// alone: a conversation whose head names the views of that generation is in order, and every
// other one is restored, which brings it into the view, or out of it. It begins when nobody
// goes by the views of before. At the end the view is ready; or all rows of it are deleted,
// which nobody puts any more, and it is forgotten.
//
// # Two workers
//
// Each write of a rebuild is conditional on its version and writer. So a worker that was
// frozen and its successor notice each other within a second, and so does a worker whose
// rebuild was stopped, or is to go on at another rate: its next write fails, and it looks
// again. What both do meanwhile is done twice, and does no harm. A worker leaves a rebuild
// to the one that carries it out until its item has stood still for three seconds: where
// two lead, as a command beside a projector, each would undo the other's progress.
package rebuild
