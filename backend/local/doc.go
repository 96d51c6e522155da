// Package local keeps tables, their streams and queues in one SQLite file: the
// embedded default, for one machine.
//
// It behaves as DynamoDB, DynamoDB Streams and SQS do, as far as the ports of
// package backend show: conditions, transactions and their reasons, pages of
// 1 MB, an index that lags, shards that roll and split, iterators that expire,
// records that are trimmed after 24 hours, capacity units. What it leaves out:
// a shard rolls when it is full, not by its age; a table's stream is removed
// together with the table; point-in-time recovery is recorded as asked and does
// nothing, so copy the file instead; nothing is throttled.
//
// # Durability
//
// The file is in WAL mode with synchronous NORMAL. What was answered survives
// the end of the process, kill -9 included. After loss of power the last
// moments may be missing; the file is never corrupt. Put it on a local disk:
// WAL needs shared memory, which network file systems do not give.
//
// # Concurrency
//
// Several processes may open one file. Writes queue for one connection in each
// process and for SQLite's lock between processes; reads run beside them. A
// change wakes waiters in its own process at once; other processes look for it
// every 5 ms while something happens, and back off to 250 ms.
//
// Upkeep is done by whoever writes, in small steps, in the same transaction, such
// as trimming the stream; reads hide what is past its time. All times come from
// one clock, see [Options]. Beside that a backend runs two goroutines at most,
// and Close waits for them: one moves the WAL into the file after commits, one
// looks for other processes' changes while somebody waits for a change.
package local
