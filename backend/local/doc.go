// Package local keeps tables, their streams, and queues in one SQLite file. It is
// the embedded default, for one machine.
//
// As far as the ports of package backend show, it behaves like DynamoDB, DynamoDB
// Streams and SQS: conditions, transactions and their reasons, pages of 1 MB, an
// index that lags, shards that roll and split, iterators that expire, records that
// are trimmed after 24 hours, capacity units. It differs in this: a shard rolls
// when it is full, not by its age; a table's stream is deleted together with the
// table; point-in-time recovery is recorded and does nothing, so copy the file
// instead; nothing is throttled.
//
// # Durability
//
// The file is in WAL mode with synchronous NORMAL. A write that was answered
// survives the end of the process, kill -9 included. After a loss of power the last
// writes may be missing, but the file is never corrupt. Put it on a local disk:
// WAL needs shared memory, which network file systems do not provide.
//
// The file and its two companions, -wal and -shm, are created with mode 0600, whatever
// the umask: what they hold is private. The mode of an existing file is not changed.
//
// # Reading
//
// A file that is opened for reading only waits for no writer. If this process cannot
// write the file or its folder, such as that of a copy, it reads all the same, takes no
// locks, and leaves nothing behind.
//
// # What happens to the file
//
// The backend checks with every call, and once a second, that the file and its
// companions are those that it opened, by device and inode, and that the file has not
// been truncated. Otherwise every call fails, see [Backend.Gone]. A new file is not
// created where companions of another one are. So nothing is written to, or answered
// from, a file that nobody else sees. A file whose content is overwritten in place is
// not noticed: stop all processes before you restore one, and before you VACUUM, which
// truncates it.
//
// # Concurrency
//
// Several processes may open one file. Writes queue for one connection in each
// process, and for SQLite's lock between processes; reads run beside them. A change
// wakes waiters in its own process at once. Other processes check for changes every
// 5 ms while the file is busy, and back off to 250 ms.
//
// Each write does a little of the upkeep that is due, such as trimming the stream,
// in the same transaction; reads hide what has expired. All times come from one
// clock, see [Options]. If it is set back by more than a second, the next write moves
// the deadlines in the file with it: what is left of a visibility timeout or of a
// deduplication window stays as it was, and nothing is kept for longer than its
// retention from then on.
//
// A backend runs at most three goroutines, and Close waits for them: one moves the WAL
// into the file after commits, one guards the files, and one checks for changes by
// other processes while a caller waits for a change.
package local
