// Package backend defines the ports through which Postroom reaches its store: a
// [Table], its [Stream] and a [Queue], in the terms of Amazon DynamoDB, DynamoDB
// Streams and SQS, and no wider than the pipeline needs.
//
// A driver (backend/local, backend/aws) makes one round trip for each call,
// classifies its error as an [Error] and reports the capacity that the call
// consumed. It does not retry for long, split batches, or validate beyond what its
// server does: the packages above the ports do that once for all drivers. The
// conformance suite in backend/backendtest holds every driver to the same
// behaviour.
//
// Every method of a driver may be called concurrently, and returns soon after its
// context is done, with an error of [KindUnavailable] that wraps the context's.
// Such a call may have been carried out.
package backend
