package producer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/internal/tracing"
)

// ErrOtherContent says that another message has the same identity. The log is
// append-only; a new message needs a uuid of its own.
var ErrOtherContent = errors.New("another message is stored under the same conversation, time and uuid")

// RefusedError says that a message was not posted because the message itself is
// wrong. It would be refused again.
type RefusedError struct {
	Key backend.Key // where it would have been stored
	Err error       // what is wrong
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("message %s %s: %v", e.Key.PK, e.Key.SK, e.Err)
}

func (e *RefusedError) Unwrap() error { return e.Err }

// Options of a [Producer].
type Options struct {
	// Now is the producer's clock: it refuses messages that are more than
	// [postroom.MaxClockSkew] ahead of it. Default time.Now. A clock that is itself
	// ahead refuses nothing; on AWS ClockAhead of the backend says by how much it is.
	Now func() time.Time
	// TracerProvider traces each post, and the message carries the trace on. Default
	// otel.GetTracerProvider, which records nothing unless the program has set one.
	TracerProvider trace.TracerProvider
}

// Producer appends messages to the log of one table. It may be used concurrently.
type Producer struct {
	table  backend.Table
	now    func() time.Time
	tracer trace.Tracer
}

// New returns a producer for a table.
func New(table backend.Table, opts Options) *Producer {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Producer{table: table, now: opts.Now, tracer: tracing.Tracer(opts.TracerProvider)}
}

// puts is how puts are repeated: for some five seconds. A conditional put is safe to
// make again whatever happened to it, so an unknown error is retried too.
var puts = retry.Policy{
	Min: 25 * time.Millisecond, Max: 2 * time.Second, Attempts: 10,
	Final: func(err error) bool {
		_, refused := errors.AsType[*RefusedError](err)
		return refused || !backend.Retryable(err) && backend.KindOf(err) != backend.KindUnknown
	},
}

// Result is the result of posting a message.
type Result struct {
	// AlreadyThere says that the same message was stored before, and nothing changed.
	// It is false if only an earlier attempt of this call, whose answer was lost, may
	// have stored it.
	AlreadyThere bool
	// CreatedAt is the time of the message as it is stored: in UTC, rounded down to the
	// microsecond.
	CreatedAt time.Time
	Units     backend.Units // of all attempts, as far as the server reports them
}

// Post appends a message. Its time may be in any zone and as precise as a clock shows
// it; Result says how it is stored. Post refuses a message that is invalid (see
// [postroom.Message.Validate]), more than [postroom.MaxClockSkew] ahead of the clock,
// too large for an item, or different from the one stored under its key.
func (p *Producer) Post(ctx context.Context, m postroom.Message) (result Result, err error) {
	ctx, span := p.tracer.Start(ctx, "postroom.post", trace.WithSpanKind(trace.SpanKindProducer))
	defer func() { tracing.End(span, err) }()
	if span.IsRecording() {
		span.SetAttributes(tracing.Conversation.String(m.GroupUUID), tracing.Message.String(m.MessageUUID))
		m.TraceParent = tracing.Parent(ctx)
	}
	return p.post(ctx, m)
}

func (p *Producer) post(ctx context.Context, m postroom.Message) (Result, error) {
	m.CreatedAt = postroom.RoundTime(m.CreatedAt)
	item := m.Item()
	if err := p.check(m, item); err != nil {
		return Result{}, &RefusedError{backend.KeyOf(item), err}
	}
	result := Result{CreatedAt: m.CreatedAt}
	answerLost := false
	err := puts.Do(ctx, func(ctx context.Context) error {
		units, err := p.table.Put(ctx, item, backend.Condition{Absent: true})
		result.Units = result.Units.Add(units).Add(unitsOf(err))
		if backend.KindOf(err) == backend.KindConditionFailed {
			result.AlreadyThere = !answerLost
			return compare(m, err)
		}
		answerLost = answerLost || err != nil && mayHaveWritten(err)
		return err
	})
	if err != nil {
		result.AlreadyThere = false
	}
	return result, err
}

// check returns an error for a message that must not be stored.
func (p *Producer) check(m postroom.Message, item backend.Item) error {
	if err := m.Validate(); err != nil {
		return err
	}
	now := p.now()
	if ahead := m.CreatedAt.Sub(now); ahead > postroom.MaxClockSkew {
		return fmt.Errorf("created_at %s is %s ahead of this machine's clock (%s), at most %s is allowed",
			postroom.FormatTime(m.CreatedAt), ahead.Round(time.Second), postroom.FormatTime(now), postroom.MaxClockSkew)
	}
	if size := backend.ItemBytes(item); size > backend.MaxItemBytes {
		return fmt.Errorf("it takes %d bytes as an item of the table, at most %d (400 KB) are allowed; its text takes %d",
			size, backend.MaxItemBytes, len(m.Text))
	}
	return nil
}

// compare returns nil if the message that is stored under the key of m is m.
func compare(m postroom.Message, conditionFailed error) error {
	e, ok := errors.AsType[*backend.Error](conditionFailed)
	if !ok || e.Item == nil {
		return conditionFailed // the port promises the item; without it, success is not certain
	}
	there, err := postroom.MessageFromItem(e.Item)
	if err != nil {
		return &RefusedError{backend.KeyOf(e.Item), fmt.Errorf("%w, which cannot be read: %w", ErrOtherContent, err)}
	}
	if !same(m, there) {
		return &RefusedError{backend.KeyOf(e.Item), ErrOtherContent}
	}
	return nil
}

// same compares everything that is stored of two messages, except the order of
// members.
func same(a, b postroom.Message) bool {
	return a.GroupUUID == b.GroupUUID && a.Position().Compare(b.Position()) == 0 &&
		a.UserUUID == b.UserUUID && a.DisplayName == b.DisplayName && a.Handle == b.Handle &&
		a.Text == b.Text && slices.Equal(postroom.SortedMembers(a.Members), postroom.SortedMembers(b.Members))
}

// mayHaveWritten reports whether a put that failed may have been carried out.
func mayHaveWritten(err error) bool {
	kind := backend.KindOf(err)
	return kind == backend.KindUnavailable || kind == backend.KindUnknown
}

func unitsOf(err error) backend.Units {
	if e, ok := errors.AsType[*backend.Error](err); ok {
		return e.Units
	}
	return backend.Units{}
}
