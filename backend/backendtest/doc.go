// Package backendtest is the conformance suite of backends: the sentences of the
// ports' documentation, each as a subtest, for tables ([RunTable]), streams
// ([RunStream]) and queues ([RunQueue]).
//
// A backend declares its [Capabilities]. A subtest that needs another capability
// logs that and ends: it does not fail, and it stays in the list.
//
// [Faulty] wraps a backend and makes its calls fail where the caller decides, so
// that the packages above the ports can be tested against conflicts, throttling,
// partial batches, lost answers, and iterators that expire or are trimmed. An index
// that lags and shards that split are settings of backend/local.
package backendtest
