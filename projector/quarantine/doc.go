// Package quarantine keeps the records that cannot be processed, so that they
// block nothing and are not lost. It alone encodes, decodes and writes their items.
//
// A quarantined record is in the control table, whole: a pointer into the stream
// would be dead after 24 hours. Its partition is QUARANTINE# and its conversation,
// so that those of one conversation are found by one query; it is sorted by time
// and event. Its image is compressed and split into parts. The first part is
// written last: once it is there, the record is whole.
//
//	QUARANTINE#conversation | time#event#000   reason, origin, attempts, …, image
//	                        | time#event#001   image
//
// # Once
//
// A message may come from the stream and from the log, at one time and from two
// workers, and is quarantined once. The stream's record wins, since it says where
// the message was and that its notifications are owed. Each worker looks for the
// other's record after it has put its own, so one of them sees both.
//
// # Those that wait
//
// A message of a conversation whose members nobody has named is not broken: it
// waits ([Quarantine.PutWaiting]). Whoever finds the members requeues it
// ([Quarantine.WaitingOf]), removes it here once it is processed
// ([Quarantine.Remove]), and only then acknowledges the message that led there. So
// a crash loses nothing. A message that turns out to be broken after all stays for
// good ([Quarantine.Keep]).
//
// # Retries
//
// An operator may ask for records to be processed again ([Ask]): a batch of them is an
// item of its own, which the leader of the worker group works off ([Retries.Lead]) and
// deletes once all of its records were tried.
//
//	quarantine-retry | time#random   rate, records
//
// A record is tried with its message as the log has it: what the log does not hold must
// not be shown. It stays until the message is processed, and is removed then. If it fails
// again, its reason is replaced and the attempt counted, on the condition that the record
// is as it was read ([Quarantine.Again]): so two workers that try the same record, or one
// that was killed and the next, count it as they may, and a record that is dropped
// meanwhile does not come back. Records that are tried again trip no breaker: somebody
// has asked for them.
//
// # For operators
//
// Records are read without a Quarantine ([All], [Load]) and named by an ID. [Drop] removes
// one for good, whole, by one transaction, if it still is as it was read.
//
// # Damage
//
// A damaged item of a record is left aside ([Quarantine.Damaged]): it is not requeued,
// and stops nothing else. An image is unpacked up to a bound, since the control table
// could hold anything.
//
// # The breaker
//
// When most of what is handled would be quarantined, it is not the records that
// are broken. The breaker trips when more than a share of the last 1,000 records
// of the last ten minutes would be quarantined. 50 records always may be: damaged
// records may well come together, since one producer damaged them. From then on
// every call that would quarantine a record fails with a [BreakerError]. Records
// that wait do not count. A message counts once, also if it is projected and then
// quarantined because the queue refuses its notification.
package quarantine
