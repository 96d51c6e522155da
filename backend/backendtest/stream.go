package backendtest

import "testing"

// RunStream holds a backend's streams to the sentences of [github.com/postroom/postroom/backend.Stream]. See
// [Run] for open.
func RunStream(t *testing.T, open func(t *testing.T) Harness) {
	runAll(t, open, nil)
}
