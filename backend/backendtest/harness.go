package backendtest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postroom/postroom/backend"
)

// Harness is one backend under test.
type Harness struct {
	Backend backend.Backend
	// Advance moves the backend's clock forward; nil: the backend runs on real time,
	// and tests that need minutes or hours to pass are left out.
	Advance func(time.Duration)
	// Capabilities of the backend.
	Capabilities Capabilities
	// Deviations maps the sentences of subtests in which an emulator is known to be
	// wrong to an explanation. These subtests are left out, with a line in the log:
	// [Deviate] runs them. A backend's own faults do not belong here.
	Deviations map[string]string
}

// Capabilities are the parts of the behaviour that not every backend has or can show.
// The zero value leaves out every test that needs one.
type Capabilities struct {
	// Tables.

	ConsumedCapacity     bool // units are reported, and counted by DynamoDB's rules
	FailedConditionUnits bool // also those of a put whose condition failed
	TokenReplay          bool // a transaction repeated with its token changes nothing
	DeletionProtection   bool // a protected table cannot be deleted
	PointInTimeRecovery  bool // a table's description says whether it is on
	TimeToLive           bool // a table's description names its attribute
	Closes               bool // no other test uses this backend, so it may be closed

	// Streams.

	ManyShards       bool // a stream has several open shards within 500 records
	Rolls            bool // a shard ends, and has children, within 500 records
	NoOpWritesSilent bool // a put that changes nothing leaves no record
	IteratorExpires  bool // an iterator expires after 15 minutes; needs Advance
	Trims            bool // a record is gone after 24 hours; needs Advance
	TellsChanges     bool // Changed returns a channel
	TellsTip         bool // an empty page says that the shard held no more

	// Queues.

	DeduplicationWindow   bool // of five minutes, even if the message was deleted
	ExpiredReceiptFails   bool // deleting with an expired receipt fails on a FIFO queue
	GroupReceivedTogether bool // one receive returns several messages of a group, in order
	DeadLetters           bool // the receive after MaxReceiveCount moves the message
	Retention             bool // a message is gone after its retention; needs Advance
	ExactDepth            bool // Depth counts exactly and at once
	QueueDescription      bool // DescribeQueue returns everything that CreateQueue was given
}

// Run runs the whole suite: tables, streams and queues.
//
// Open is called once for each subtest, in that subtest, and registers its own
// cleanup. Subtests run in parallel. One server may serve all of them, since every
// table and queue has its own name; a backend with Advance must be a new one each
// time, with its own clock.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	t.Run("Table", func(t *testing.T) { RunTable(t, open) })
	t.Run("Stream", func(t *testing.T) { RunStream(t, open) })
	t.Run("Queue", func(t *testing.T) { RunQueue(t, open) })
}

// test is one sentence of the suite.
type test struct {
	name string // the sentence
	run  func(t *testing.T, h Harness)
}

// runAll runs the tests in parallel, each with a harness of its own.
func runAll(t *testing.T, open func(t *testing.T) Harness, tests []test) {
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := open(t)
			how, deviates := h.Deviations[test.name]
			if deviating() != deviates {
				if !deviates {
					return // another process runs it
				}
				t.Logf("left out, since the server deviates: %s", how)
				return
			}
			test.run(t, h)
		})
	}
}

// lacks reports that the backend lacks a capability, and logs it.
func lacks(t *testing.T, shows bool, capability string) bool {
	t.Helper()
	if !shows {
		t.Logf("left out: this backend does not show %s", capability)
	}
	return !shows
}

// advance moves the backend's clock. If the backend runs on real time it returns
// false and logs a line.
func (h Harness) advance(t *testing.T, d time.Duration) bool {
	t.Helper()
	if lacks(t, h.Advance != nil, "an adjustable clock") {
		return false
	}
	h.Advance(d)
	return true
}

// uniqueName returns a name for a table or a queue that no other test uses.
func uniqueName(prefix string) string {
	return prefix + "-" + strings.ReplaceAll(uuid.NewString(), "-", "")[:16]
}

// patience bounds how long a test waits for something that has to come. It is longer
// than every visibility that a test waits for: a message whose delivery was lost on its
// way to the test comes again meanwhile, and a lost answer is not a lost message. No
// deviation is decided by it, but by what the server answers.
const patience = 3 * time.Minute

// eventually waits for a condition that comes true by itself, such as an index that
// catches up or a listing that shows a new shard. It moves the backend's clock
// forward if it can.
func (h Harness) eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		if h.Advance != nil {
			h.Advance(100 * time.Millisecond)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited %s in vain for: %s", patience, what)
		}
	}
}

// cleanup runs f at the end of the test, when the test's context is done.
func cleanup(t *testing.T, what string, f func(context.Context) error) {
	t.Helper()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := f(ctx); err != nil && backend.KindOf(err) != backend.KindNotFound {
			t.Errorf("%s: %v", what, err)
		}
	})
}

// must ends the test at an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantKind fails the test unless err is of a kind, and says what it was for.
func wantKind(t *testing.T, err error, want backend.Kind) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one of kind %q", want)
	}
	var e *backend.Error
	if !errors.As(err, &e) || e.Kind != want {
		t.Fatalf("error is of kind %q, want %q: %v", backend.KindOf(err), want, err)
	}
	if e.Op == "" {
		t.Errorf("the error does not say what the call was for: %v", err)
	}
}
