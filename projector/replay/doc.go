// Package replay processes messages again that somebody chooses: by their times, their
// conversations, or their members. It alone encodes, decodes and writes the items of
// replays.
//
//	replay | name   what is asked for; its state and counts; how far it is, and who writes that
//
// A replay is such an item of the control table, so it outlives the command that created
// it. [Create] stores it, and [Runner.Run] carries it out, anywhere; [Stop] and [Resume] say
// whether it is to go on, and [List] shows how far each is.
//
// # What is replayed
//
// The messages whose own times are in a range that has passed. They go the way of any
// message of the log: behind what the stream brings, to be projected if they are not. Nobody
// is owed a notification. A replay that notifies sends one with the id that it had the first
// time, and with the name of the replay: see postroom.Notification.Replay. If it finds that
// a message is still owed to somebody, since it was in quarantine, that notification is sent
// instead.
//
// # The source
//
// A replay of all conversations goes through the stream, if that holds the range for
// certain ([Choose]). The stream is read from a little before the range, as long as a
// message may be younger than its record, up to when the replay was created, and the
// messages are chosen by their own times. Otherwise a replay goes through the log: chosen
// conversations by a query each, otherwise by a scan. If the stream reports a loss, or
// another group has the place of a reader, the item says that the replay goes through the
// log from then on. There it begins anew, since the log does not know what was in the part
// that is lost.
//
// # Once
//
// In the log, how far a replay is and what it counts are in one item and written together,
// about once a second: so each message is counted once, whatever dies. What was done since
// the last write is done again by whoever goes on: projecting it moves nothing, and the queue
// and the deduplication of the consumer know the notification by its id and the replay's
// name. In the stream the checkpoints say how far it is. The workers add what they have
// counted to the item, and acknowledge it then: none is missing, and what comes again after
// a crash is counted again.
//
// # Who carries it out
//
// The shards of the stream are shared by all workers, and so is the rate. The log is read by
// one worker at a time; others wait beside it. Each write is conditional on the item as it
// was read or written last, by its version and a token of the write. The worker writes the
// item every second, whether it got further or not. Whoever has seen it unwritten for five
// seconds, by its own clock, takes the replay over by one write, after which that of the
// worker before fails. A worker that stops says so, and another takes over at once. One that
// was frozen submits nothing more before a write has shown that the replay is still its own;
// what it had submitted by then is repeated, as after a crash.
//
// # Damage
//
// A damaged item is left aside and named: that replay does not go on, and [Repair] deletes
// it. Those that are done are removed after thirty days, by the table's time to live.
package replay
