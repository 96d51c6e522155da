// Package producer is the write path: it appends messages to the log, and does
// nothing else. A message is one conditional put, without a read and without a second
// item; the producer need not know whether its conversation exists.
//
// Posting is idempotent by the message's identity (conversation, time, uuid): posting
// the same message again succeeds and changes nothing, and posting another one under
// the same identity is refused with [ErrOtherContent]. So if you are not sure that a
// message was stored, post it again, unchanged.
//
// A [RefusedError] says that the message itself is wrong; it would be refused again.
// Every other error comes from the backend, after the producer's own retries.
package producer
