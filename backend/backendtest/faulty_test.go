package backendtest_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"go.uber.org/goleak"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/backendtest"
	"github.com/postroom/postroom/backend/local"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func openLocal(t *testing.T, now func() time.Time) *local.Backend {
	t.Helper()
	b, err := local.Open(local.Memory, local.Options{Now: now})
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

// A faulty backend without faults passes the conformance suite.
func TestFaultyWithoutFaults(t *testing.T) {
	t.Parallel()
	never := func(context.Context, backendtest.Call) backendtest.Fault { return backendtest.Fault{} }
	backendtest.Run(t, func(t *testing.T) backendtest.Harness {
		start := time.Now()
		var ahead atomic.Int64
		return backendtest.Harness{
			Backend: backendtest.Faulty(openLocal(t, func() time.Time {
				return start.Add(time.Duration(ahead.Load()))
			}), never),
			Advance: func(d time.Duration) { ahead.Add(int64(d)) },
			Capabilities: backendtest.Capabilities{
				ConsumedCapacity: true, FailedConditionUnits: true, TokenReplay: true, TellsChanges: true,
				DeletionProtection: true, TellsTip: true,
			},
		}
	})
}

const (
	tableName = "table"
	queueName = "queue.fifo"
)

// faulty opens a backend with a table and a queue in which every call of an op has a
// fault, and returns it with the backend below, which has no faults.
func faulty(t *testing.T, op string, fault backendtest.Fault) (faulty, below backend.Backend) {
	t.Helper()
	below = openLocal(t, nil)
	if err := errors.Join(
		below.CreateTable(t.Context(), backend.TableSpec{
			Name: tableName, PartitionKey: backend.AttrPK, SortKey: backend.AttrSK, StreamView: "NEW_IMAGE",
		}),
		below.CreateQueue(t.Context(), backend.QueueSpec{
			Name: queueName, VisibilitySeconds: 30, RetentionSeconds: 3600,
		}),
	); err != nil {
		t.Fatal(err)
	}
	return backendtest.Faulty(below, func(_ context.Context, call backendtest.Call) backendtest.Fault {
		if call.Op == op {
			return fault
		}
		return backendtest.Fault{}
	}), below
}

func item(sk string) backend.Item {
	return backend.Item{
		backend.AttrPK: &types.AttributeValueMemberS{Value: "p"},
		backend.AttrSK: &types.AttributeValueMemberS{Value: sk},
	}
}

func wantKind(t *testing.T, err error, want backend.Kind) {
	t.Helper()
	if got := backend.KindOf(err); err == nil || got != want {
		t.Errorf("error %v is of kind %q, want %q", err, got, want)
	}
}

// wantStored compares the sort keys of the partition "p".
func wantStored(t *testing.T, b backend.Backend, want ...string) {
	t.Helper()
	page, err := b.Table(tableName).Query(t.Context(), backend.Query{PK: "p", Consistent: true})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, item := range page.Items {
		got = append(got, backend.Text(item, backend.AttrSK))
	}
	if !slices.Equal(got, want) {
		t.Errorf("stored is %q, want %q", got, want)
	}
}

func TestACallThatFailsIsNotMade(t *testing.T) {
	t.Parallel()
	f, below := faulty(t, "Transact", backendtest.Fault{Kind: backend.KindConflict})
	_, err := f.Table(tableName).Transact(t.Context(), "token", []backend.Action{{Put: item("1")}, {Put: item("2")}})
	wantKind(t, err, backend.KindConflict)
	var e *backend.Error
	if !errors.As(err, &e) || len(e.Reasons) != 2 || backend.KindOfReasons(e.Reasons) != backend.KindConflict {
		t.Errorf("error %v, want a reason for each action", err)
	}
	wantStored(t, below)

	f, below = faulty(t, "Put", backendtest.Fault{Kind: backend.KindThrottled})
	_, err = f.Table(tableName).Put(t.Context(), item("1"), backend.Condition{})
	wantKind(t, err, backend.KindThrottled)
	wantStored(t, below)
}

func TestALostAnswerIsOfACallThatWasMade(t *testing.T) {
	t.Parallel()
	f, below := faulty(t, "Put", backendtest.Fault{LoseAnswer: true})
	_, err := f.Table(tableName).Put(t.Context(), item("1"), backend.Condition{Absent: true})
	wantKind(t, err, backend.KindUnavailable)
	wantStored(t, below, "1")
	_, err = f.Table(tableName).Put(t.Context(), item("1"), backend.Condition{Absent: true})
	wantKind(t, err, backend.KindUnavailable)
}

func TestPartialBatches(t *testing.T) {
	t.Parallel()
	f, below := faulty(t, "BatchWrite", backendtest.Fault{Leave: 2})
	left, _, err := f.Table(tableName).BatchWrite(t.Context(), []backend.Write{
		{Put: item("1")}, {Put: item("2")}, {Put: item("3")},
	})
	if err != nil || len(left) != 2 || backend.KeyOf(left[0].Put).SK != "2" {
		t.Errorf("left %v, %v; want 2 and 3", left, err)
	}
	left, _, err = f.Table(tableName).BatchWrite(t.Context(), left)
	if err != nil || len(left) != 2 {
		t.Errorf("left %v, %v; want both again", left, err)
	}
	wantStored(t, below, "1")

	f, _ = faulty(t, "BatchGet", backendtest.Fault{Leave: 1})
	items, keys, _, err := f.Table(tableName).BatchGet(t.Context(), []backend.Key{{PK: "p", SK: "1"}, {PK: "p", SK: "2"}})
	if err != nil || len(items) != 0 || !slices.Equal(keys, []backend.Key{{PK: "p", SK: "2"}}) {
		t.Errorf("items %v, left %v, %v", items, keys, err)
	}

	f, below = faulty(t, "Send", backendtest.Fault{Leave: 1})
	failed, err := f.Queue(queueName).Send(t.Context(), []backend.SendEntry{
		{Body: "a", GroupID: "g", DeduplicationID: "1"}, {Body: "b", GroupID: "h", DeduplicationID: "2"},
	})
	if err != nil || len(failed) != 1 || failed[0].Index != 1 || failed[0].SenderFault {
		t.Errorf("failed %v, %v; want entry 1, and not by the sender's fault", failed, err)
	}
	if depth, err := below.Queue(queueName).Depth(t.Context()); err != nil || depth.Visible != 1 {
		t.Errorf("depth %v, %v", depth, err)
	}
}

func TestIteratorsExpireAndAreTrimmed(t *testing.T) {
	t.Parallel()
	for _, kind := range []backend.Kind{backend.KindExpired, backend.KindTrimmed} {
		f, _ := faulty(t, "Records", backendtest.Fault{Kind: kind})
		stream := f.Stream(tableName)
		page, err := stream.Shards(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		it, err := stream.Iterator(t.Context(), page.StreamARN, page.Shards[0].ID, backend.Position{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = stream.Records(t.Context(), it, 1)
		wantKind(t, err, kind)
	}
}

func TestCallsAreDescribed(t *testing.T) {
	t.Parallel()
	var calls []backendtest.Call
	f := backendtest.Faulty(openLocal(t, nil), func(_ context.Context, c backendtest.Call) backendtest.Fault {
		calls = append(calls, c)
		return backendtest.Fault{Kind: backend.KindDenied}
	})
	_, _, err := f.Table("a").BatchWrite(t.Context(), make([]backend.Write, 3))
	wantKind(t, err, backend.KindDenied)
	_, err = f.Stream("a").Shards(t.Context(), "")
	wantKind(t, err, backend.KindDenied)
	_, err = f.Queue("b").Receive(t.Context(), 10, time.Second, time.Second)
	wantKind(t, err, backend.KindDenied)
	want := []backendtest.Call{{Op: "BatchWrite", Name: "a", Entries: 3}, {Op: "Shards", Name: "a", Entries: 1}, {Op: "Receive", Name: "b", Entries: 1}}
	if !slices.Equal(calls, want) {
		t.Errorf("calls %v, want %v", calls, want)
	}
}
