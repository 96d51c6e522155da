package local

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/backendtest"
)

func TestQueueConformance(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]func(*testing.T) string{
		"file":   func(t *testing.T) string { return filepath.Join(t.TempDir(), "q.db") },
		"memory": func(*testing.T) string { return Memory },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			backendtest.RunQueue(t, func(t *testing.T) backendtest.Harness {
				h := harness(t, path(t), Options{})
				advance := h.Advance
				h.Advance = func(d time.Duration) {
					advance(d)
					h.Backend.(*Backend).notifier.wakeAll() // waiting is done on real time
				}
				return h
			})
		})
	}
}

// TestQueueConformanceOnRealTime is the suite as a server without an adjustable
// clock has it.
func TestQueueConformanceOnRealTime(t *testing.T) {
	t.Parallel()
	h := harness(t, Memory, Options{})
	h.Backend, h.Advance = open(t, filepath.Join(t.TempDir(), "q.db"), Options{}), nil
	t.Run("all", func(t *testing.T) { // the file is closed after it
		backendtest.RunQueue(t, func(*testing.T) backendtest.Harness { return h })
	})
}

func fifoSpec(name string) backend.QueueSpec {
	return backend.QueueSpec{Name: name + fifoSuffix, VisibilitySeconds: 30, RetentionSeconds: 345_600}
}
