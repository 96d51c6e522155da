// Package backfill brings from the log what the stream does not hold. It alone
// encodes, decodes and writes the items of gaps and scans.
//
// A stream keeps its records for a day, and a table may get a new stream. Whatever
// was not read by then is still in the log. The worker that notices a loss records
// a gap in the control table before it reads on ([Backfill.Record]). The leader of
// the worker group closes all open gaps by one scan of the whole log
// ([Backfill.Lead]). It has to be the whole log, since a message's time is its
// producer's: nothing tells which messages a range of the stream held.
//
//	GAP#id    what was lost, open or done, and its revision
//	SCAN#id   the gaps it closes, by id and revision; how far each segment is done
//
// # The scan
//
// The log is read in segments side by side, at a bounded rate, in pages. Each
// message is submitted to be processed as one of the stream is. Where all was
// right that moves nothing. Pages are read ahead of what is done; the progress of
// a segment is the end of the contiguous prefix that is done, and is written about
// once a second. The next leader goes on from there.
//
// A message's recipients are notified again if its time is in one of the gaps, or
// within two minutes of it. Any other message is silent: it is only projected, and
// counted if it had not been. The first start on a table is a gap that is silent as
// a whole.
//
// # Damage
//
// Gaps and scans that cannot be read are left aside ([Backfill.Damaged]), and the
// others are closed. A loss that is recorded again replaces its damaged gap. A scan of
// the same gaps replaces a damaged one and begins anew. [Repair] says how to repair one.
//
// # Two leaders
//
// Each write of a scan is conditional on its version and writer. So a leader that
// was frozen, and its successor, notice each other, and the one that fails looks
// again. The scan's id follows from the gaps and their revisions: two leaders that
// see the same gaps begin the same scan. A gap that grows while a scan runs has a
// new revision, and that scan does not close it.
package backfill
