package consumer

import (
	"os"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/metric"
)

// TestMetrics compares the text of all metrics of a worker with the one in
// testdata, which shows people what there is.
func TestMetrics(t *testing.T) {
	t.Parallel()
	c := metric.Struct(func() metrics {
		return metrics{Stats{
			Received: 1, Delivered: 2, Failed: 3, Duplicates: 4, Deleted: 5,
			DeleteFailed: 6, Released: 7, Extended: 8, InFlight: 9, InFlightBytes: 10,
			Dropped: 11, DeadLettered: 12,
		}, ages{Failing: 16 * time.Second, InFlight: 13 * time.Second, Waited: 14 * time.Second, Unanswered: 15 * time.Second}}
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
	if n, want := testutil.CollectAndCount(w.Collector()), 16; n != want {
		t.Errorf("%d metrics of a worker, want %d", n, want)
	}
}

// Of what a receive brought, what comes again has not waited for a consumer.
func TestAges(t *testing.T) {
	t.Parallel()
	now := time.Now()
	f := newInFlight(Options{Receivers: 1, Visibility: time.Minute}, 10)
	if a := f.ages(now); a != (ages{}) {
		t.Errorf("before the first receive: %+v", a)
	}
	f.reserve(t.Context())
	if got := f.ages(f.askedSince.Add(time.Minute)); got.Unanswered != time.Minute {
		t.Errorf("a receive that has been under way for a minute: %+v", got)
	}
	f.admit(0, 10, []backend.Delivery{
		{MessageID: "a", ReceiveCount: 1, SentAt: now.Add(-time.Hour)},
		{MessageID: "b", ReceiveCount: 1, SentAt: now.Add(time.Hour)}, // the queue's clock is ahead
		{MessageID: "c", ReceiveCount: 2, SentAt: now.Add(-2 * time.Hour)},
	})
	if a := f.ages(f.messages["a"].receivedAt.Add(time.Minute)); a.Waited < time.Hour || a.Waited > 90*time.Minute || a.InFlight < time.Minute || a.Unanswered != 0 {
		t.Errorf("with messages in flight: %+v", a)
	}
	f.reserve(t.Context())
	f.admit(0, 10, nil)
	if a := f.ages(now); a.Waited != 0 {
		t.Errorf("after an empty receive: %+v", a)
	}
}
