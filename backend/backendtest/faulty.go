package backendtest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/postroom/postroom/backend"
)

// Call is a call of a port that is about to be made.
type Call struct {
	Op   string // the method: "Put", "Records", …
	Name string // of the table, the stream's table or the queue
	// Entries is how many keys, writes, actions, messages or receipts the call has.
	Entries int
}

// Fault is what goes wrong with a call. The zero Fault means nothing does.
type Fault struct {
	// Kind is the error of a call that is not made: KindConflict, KindThrottled,
	// KindExpired, KindTrimmed, …. A transaction gives the reason for its first
	// action.
	Kind backend.Kind
	// LoseAnswer makes the call and returns KindUnavailable, whatever its result.
	LoseAnswer bool
	// Leave is how many of a batch's last entries are not carried out: they come
	// back as unprocessed or failed.
	Leave int
}

// Faulty returns b with the faults that decide chooses. Decide is called before each
// call of a table, a stream or a queue, concurrently if the calls are concurrent; it
// may block, and should return when ctx is done. It is not called for the methods
// that create, change and delete tables and queues.
func Faulty(b backend.Backend, decide func(ctx context.Context, call Call) Fault) backend.Backend {
	return &faulty{b, decide}
}

type faulty struct {
	backend.Backend

	decide func(context.Context, Call) Fault
}

func (f *faulty) Table(name string) backend.Table {
	return backend.Intercept(f.Backend.Table(name), faults{name, f.decide}.table)
}

func (f *faulty) Stream(table string) backend.Stream {
	return &faultyStream{f.Backend.Stream(table), faults{table, f.decide}}
}

func (f *faulty) Queue(name string) backend.Queue {
	return &faultyQueue{f.Backend.Queue(name), faults{name, f.decide}}
}

// faults has the faults of one table, stream or queue.
type faults struct {
	name   string
	decide func(context.Context, Call) Fault
}

// do makes a call with as many of its entries as the fault leaves, and returns its
// answer unless the fault loses it.
func do[T any](
	ctx context.Context, f faults, op string, entries int, run func(entries int) (T, error),
) (answer T, err error) {
	fault := f.decide(ctx, Call{Op: op, Name: f.name, Entries: entries})
	if fault.Kind != backend.KindUnknown {
		return answer, &backend.Error{
			Op: op + " " + f.name, Kind: fault.Kind, Reasons: reasons(op, fault.Kind, entries),
			Err: errors.New("injected fault"),
		}
	}
	got, err := run(entries - min(fault.Leave, entries))
	if fault.LoseAnswer {
		return answer, &backend.Error{
			Op: op + " " + f.name, Kind: backend.KindUnavailable,
			Err: fmt.Errorf("injected fault: the answer is lost (error %v)", err), //nolint:errorlint // callers must not see the error's kind
		}
	}
	return got, err
}

// table injects faults into the calls of a table. Leave does not apply to a
// transaction, which is carried out as a whole or not at all.
func (f faults) table(ctx context.Context, call *backend.TableCall, next func(context.Context) error) error {
	_, err := do(ctx, f, call.Op, call.Entries, func(n int) (struct{}, error) {
		call.Entries = n
		return struct{}{}, next(ctx)
	})
	return err
}

func reasons(op string, kind backend.Kind, actions int) []*backend.Reason {
	code := map[backend.Kind]string{
		backend.KindConflict:        "TransactionConflict",
		backend.KindThrottled:       "ThrottlingError",
		backend.KindConditionFailed: "ConditionalCheckFailed",
	}[kind]
	if op != "Transact" || code == "" || actions == 0 {
		return nil
	}
	all := make([]*backend.Reason, actions)
	all[0] = &backend.Reason{Kind: kind, Code: code}
	return all
}

type faultyStream struct {
	backend.Stream

	faults faults
}

func (s *faultyStream) Shards(ctx context.Context, after string) (backend.ShardPage, error) {
	return do(ctx, s.faults, "Shards", 1, func(int) (backend.ShardPage, error) {
		return s.Stream.Shards(ctx, after)
	})
}

func (s *faultyStream) Children(ctx context.Context, arn, parent string) ([]backend.Shard, error) {
	return do(ctx, s.faults, "Children", 1, func(int) ([]backend.Shard, error) {
		return s.Stream.Children(ctx, arn, parent)
	})
}

func (s *faultyStream) Iterator(ctx context.Context, arn, shard string, at backend.Position) (string, error) {
	return do(ctx, s.faults, "Iterator", 1, func(int) (string, error) {
		return s.Stream.Iterator(ctx, arn, shard, at)
	})
}

func (s *faultyStream) Records(ctx context.Context, iterator string, limit int) (backend.RecordPage, error) {
	return do(ctx, s.faults, "Records", 1, func(int) (backend.RecordPage, error) {
		return s.Stream.Records(ctx, iterator, limit)
	})
}

type faultyQueue struct {
	backend.Queue

	faults faults
}

func (q *faultyQueue) Send(ctx context.Context, entries []backend.SendEntry) ([]backend.EntryError, error) {
	return doEntries(ctx, q.faults, "Send", entries, q.Queue.Send)
}

func (q *faultyQueue) Delete(ctx context.Context, receipts []string) ([]backend.EntryError, error) {
	return doEntries(ctx, q.faults, "Delete", receipts, q.Queue.Delete)
}

func (q *faultyQueue) ChangeVisibility(
	ctx context.Context, changes []backend.VisibilityChange,
) ([]backend.EntryError, error) {
	return doEntries(ctx, q.faults, "ChangeVisibility", changes, q.Queue.ChangeVisibility)
}

func (q *faultyQueue) Receive(
	ctx context.Context, limit int, wait, visibility time.Duration,
) ([]backend.Delivery, error) {
	return do(ctx, q.faults, "Receive", 1, func(int) ([]backend.Delivery, error) {
		return q.Queue.Receive(ctx, limit, wait, visibility)
	})
}

func (q *faultyQueue) Depth(ctx context.Context) (backend.Depth, error) {
	return do(ctx, q.faults, "Depth", 1, func(int) (backend.Depth, error) { return q.Queue.Depth(ctx) })
}

// doEntries makes a batch call of a queue; entries that are not carried out fail.
func doEntries[T any](
	ctx context.Context, f faults, op string, entries []T,
	run func(context.Context, []T) ([]backend.EntryError, error),
) ([]backend.EntryError, error) {
	return do(ctx, f, op, len(entries), func(n int) (failed []backend.EntryError, err error) {
		if n > 0 || len(entries) == 0 {
			failed, err = run(ctx, entries[:n])
		}
		for i := n; i < len(entries); i++ {
			failed = append(failed, backend.EntryError{Index: i, Code: "InternalError", Message: "injected fault"})
		}
		return failed, err
	})
}
