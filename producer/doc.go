// Package producer is the write path: it appends messages to the log, and does
// nothing else. A message is one conditional put, never a read and never a
// second item; whether its conversation exists the producer need not know.
//
// Posting is idempotent by the message's identity (conversation, time, uuid):
// the same message again is success and changes nothing, another one under the
// same identity is refused with [ErrOtherContent]. So whoever is not sure that
// a message went in posts it again, unchanged.
//
// What is wrong with the message itself is a [RefusedError], and will be wrong
// again. Every other error is of the backend, after the producer's own retries.
package producer
