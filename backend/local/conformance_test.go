package local

import (
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/postroom/postroom/backend/backendtest"
)

// testClock is a wall clock that stands still until it is moved.
type testClock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *testClock {
	return &testClock{at: time.Date(2026, 5, 21, 10, 30, 0, 0, time.UTC)}
}

func (c *testClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *testClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// open opens a database and closes it at the end of the test.
func open(t testing.TB, path string, opts Options) *Backend {
	t.Helper()
	b, err := Open(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func harness(t *testing.T, path string, opts Options) backendtest.Harness {
	clock := newClock()
	opts.Now = clock.now
	return backendtest.Harness{
		Backend: open(t, path, opts),
		Advance: clock.advance,
		Capabilities: backendtest.Capabilities{
			ConsumedCapacity:     true,
			FailedConditionUnits: true,
			TokenReplay:          true,
			DeletionProtection:   true,
			PointInTimeRecovery:  true,
			TimeToLive:           true,
			Closes:               true,

			Rolls:            true,
			NoOpWritesSilent: true,
			IteratorExpires:  true,
			Trims:            true,
			TellsChanges:     true,
			TellsTip:         true,

			DeduplicationWindow:   true,
			ExpiredReceiptFails:   true,
			GroupReceivedTogether: true,
			DeadLetters:           true,
			Retention:             true,
			ExactDepth:            true,
			QueueDescription:      true,
		},
	}
}

func TestConformanceInMemory(t *testing.T) {
	t.Parallel()
	backendtest.RunTable(t, func(t *testing.T) backendtest.Harness {
		return harness(t, Memory, Options{RollSize: 20})
	})
	backendtest.RunStream(t, func(t *testing.T) backendtest.Harness {
		return harness(t, Memory, Options{RollSize: 20})
	})
}

func TestConformanceOfAFile(t *testing.T) {
	t.Parallel()
	lagging := func(t *testing.T) backendtest.Harness {
		return harness(t, filepath.Join(t.TempDir(), "postroom.db"), Options{RollSize: 8, IndexLag: time.Second})
	}
	backendtest.RunTable(t, lagging)
	backendtest.RunStream(t, lagging)
}
