package webhook

import (
	"os"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/postroom/postroom/internal/metric"
)

// TestMetrics compares the text of all metrics of a sink with the one in
// testdata, which shows people what there is.
func TestMetrics(t *testing.T) {
	t.Parallel()
	messages := map[Outcome]int64{}
	for i, o := range outcomes {
		messages[o] = int64(i + 1)
	}
	c := metric.Struct(func() Stats {
		return Stats{
			Messages: messages, Requests: 20, RequestTime: 21 * time.Second, InFlight: 22,
			PauseLeft: 23 * time.Second, Disabled: true,
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

// Every outcome shows from the start, so that rates can be taken.
func TestMetricsOfASink(t *testing.T) {
	t.Parallel()
	s := newSink(t, "http://127.0.0.1", Options{})
	if n, want := testutil.CollectAndCount(s.Collector()), 5+len(outcomes); n != want {
		t.Errorf("%d metrics of a sink, want %d", n, want)
	}
}
