// Package backendtest holds every backend to the same behaviour: the sentences
// of the ports' documentation, each as a subtest, for tables ([RunTable]),
// streams ([RunStream]) and queues ([RunQueue]).
//
// A backend reports what it can show as [Capabilities]. A subtest that needs
// more than that says so in its log and ends there: it does not fail, and it
// does not vanish from the list.
//
// [Faulty] is the other half: a backend around a backend that goes wrong where
// the caller decides, so that what stands above the ports can be tested against
// conflicts, throttling, partial batches, lost answers, and iterators that
// expire or are trimmed. An index that lags and shards that split are settings
// of backend/local.
package backendtest
