package backendtest

import "testing"

// RunTable holds a backend's tables to the sentences of [github.com/postroom/postroom/backend.Table] and of
// the table half of [github.com/postroom/postroom/backend.Backend]. See [Run] for open.
func RunTable(t *testing.T, open func(t *testing.T) Harness) {
	runAll(t, open, nil)
}
