package metric

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestLatency(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 21, 10, 30, 0, 0, time.UTC)
	var l Latency
	for _, took := range []time.Duration{
		-time.Minute, // the other clock is ahead
		5 * time.Millisecond, 5*time.Millisecond + 1, 3 * time.Second, 2 * time.Hour, 3 * time.Hour,
	} {
		l.Since(now.Add(-took), now)
	}
	const want = `
# HELP late_seconds Late.
# TYPE late_seconds histogram
late_seconds_bucket{le="0.005"} 2
late_seconds_bucket{le="0.01"} 3
late_seconds_bucket{le="0.02"} 3
late_seconds_bucket{le="0.05"} 3
late_seconds_bucket{le="0.1"} 3
late_seconds_bucket{le="0.2"} 3
late_seconds_bucket{le="0.5"} 3
late_seconds_bucket{le="1"} 3
late_seconds_bucket{le="2"} 3
late_seconds_bucket{le="5"} 4
late_seconds_bucket{le="10"} 4
late_seconds_bucket{le="30"} 4
late_seconds_bucket{le="60"} 4
late_seconds_bucket{le="300"} 4
late_seconds_bucket{le="1800"} 4
late_seconds_bucket{le="7200"} 5
late_seconds_bucket{le="+Inf"} 6
late_seconds_sum 18003.010000001
late_seconds_count 6
`
	type stats struct {
		Late Histogram `metric:"late_seconds" help:"Late."`
	}
	c := Struct(func() stats { return stats{l.Histogram()} })
	if err := testutil.CollectAndCompare(c, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.CollectAndLint(c); err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
}
