// Package backend names what Postroom needs of a store: a [Table], its
// [Stream] and a [Queue], in the terms of Amazon DynamoDB, DynamoDB Streams and
// SQS, and no wider than what the pipeline uses.
//
// A driver (backend/local, backend/aws) makes one round trip for each call,
// classifies its error as an [Error] and reports the capacity it consumed. It
// does not retry for long, batch, or validate beyond what its server does: that
// is done once, above the ports. backend/backendtest holds every driver to the
// same behaviour.
//
// Everything in a driver may be called concurrently, and returns soon after its
// context is done, with an error of [KindUnavailable] that is the context's own.
// Such a call may have been carried out.
package backend
