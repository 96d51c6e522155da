package canary

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// TestMetrics compares the text of all metrics of a canary with the one in testdata, which
// shows people what there is.
func TestMetrics(t *testing.T) {
	t.Parallel()
	c, err := New(Config{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	c.note(Result{Stage: Post, Err: errors.New("denied")})
	c.note(Result{Visible: 30 * time.Millisecond, Delivered: 40 * time.Second})
	c.note(Result{Visible: 3 * time.Second, Stage: Delivered, Err: errors.New("not handled")})
	c.note(Result{Stage: Visible, Err: errors.New("not shown")})
	problems, err := testutil.CollectAndLint(c.Collector())
	if len(problems) > 0 || err != nil {
		t.Errorf("against convention: %v (%v)", problems, err)
	}
	want, err := os.Open("testdata/metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer want.Close()
	if err := testutil.CollectAndCompare(c.Collector(), want); err != nil {
		t.Error(err)
	}
}
