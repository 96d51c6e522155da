package consumer

import (
	"os"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/postroom/postroom/internal/metric"
)

// TestMetrics compares the text of all metrics of a worker with the one in
// testdata, which shows people what there is.
func TestMetrics(t *testing.T) {
	t.Parallel()
	c := metric.Struct(func() Stats {
		return Stats{
			Received: 1, Delivered: 2, Failed: 3, Duplicates: 4, Deleted: 5,
			DeleteFailed: 6, Released: 7, Extended: 8, InFlight: 9, InFlightBytes: 10,
			Dropped: 11, DeadLettered: 12,
		}
	})
	problems, err := testutil.CollectAndLint(c)
	if len(problems) > 0 || err != nil {
		t.Errorf("against convention: %v (%v)", problems, err)
	}
	want, err := os.Open("testdata/metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer want.Close()
	if err := testutil.CollectAndCompare(c, want); err != nil {
		t.Error(err)
	}
}

func TestMetricsOfAWorker(t *testing.T) {
	t.Parallel()
	w, err := New(newFakeQueue(), &recorder{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if n, want := testutil.CollectAndCount(w.Collector()), 12; n != want {
		t.Errorf("%d metrics of a worker, want %d", n, want)
	}
}
