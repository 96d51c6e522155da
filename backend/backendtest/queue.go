package backendtest

import "testing"

// RunQueue holds a backend's queues to the sentences of [github.com/postroom/postroom/backend.Queue] and of
// the queue half of [github.com/postroom/postroom/backend.Backend]. See [Run] for open.
func RunQueue(t *testing.T, open func(t *testing.T) Harness) {
	runAll(t, open, nil)
}
