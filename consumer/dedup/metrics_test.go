package dedup

import (
	"os"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/postroom/postroom/internal/metric"
)

// TestMetrics compares the text of all metrics of a handler with the one in
// testdata, which shows people what there is.
func TestMetrics(t *testing.T) {
	t.Parallel()
	c := metric.Struct(func() metrics {
		return metrics{Stats{Claimed: 1, Dropped: 2, Busy: 3, Lost: 4, RecordFailed: 5}, 6 * time.Second}
	})
	problems, err := testutil.CollectAndLint(c)
	if len(problems) > 0 || err != nil {
		t.Errorf("against convention: %v (%v)", problems, err)
	}
	want, err := os.Open("testdata/metrics.txt")
	must(t, err)
	defer want.Close()
	if err := testutil.CollectAndCompare(c, want); err != nil {
		t.Error(err)
	}
}

func TestMetricsOfAHandler(t *testing.T) {
	t.Parallel()
	h := newHandler(t, &sink{}, newMemory(t, MemoryOptions{}), Options{})
	if n, want := testutil.CollectAndCount(h.Collector()), 6; n != want {
		t.Errorf("%d metrics of a handler, want %d", n, want)
	}
}
