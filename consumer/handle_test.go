package consumer

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/postroom/postroom/backend"
)

// TestF19FailuresAreLoggedInBrief: an error that quotes its message does not fill the
// log.
func TestF19FailuresAreLoggedInBrief(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	w, err := New(newFakeQueue(), HandlerFunc(nil), Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	long := errors.New("cannot read " + strings.Repeat("x", 1<<20))
	w.logFailure(backend.Delivery{MessageID: "m"}, long, disposition{action: hidden})
	if n := log.Len(); n > 2<<10 || !strings.Contains(log.String(), "cannot read xxx") {
		t.Errorf("%d bytes in the log: %.200s", n, log.String())
	}
}
