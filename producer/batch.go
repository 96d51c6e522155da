package producer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/option"
)

// BatchOptions of [Producer.PostAll].
type BatchOptions struct {
	// Concurrency is how many puts are under way at once, 1 to 1024. Default 32.
	Concurrency int
	// Report is called with the outcome of each line, as they finish, one call at a
	// time. It should return soon. Default: none.
	Report func(Outcome)
}

// laneBuffer is how many messages wait for one lane, so that a lane that pauses before
// a retry does not stop the others at once.
const laneBuffer = 8

// Outcome is what happened to one line.
type Outcome struct {
	Line int         // its number
	Key  backend.Key // of its message; zero if the line is not a message
	Result
	// Err is nil if the message is in the log now, a [postroom.LineError] if the line
	// is not a message, and a [RefusedError] if the message was refused.
	Err error
}

// Summary counts the lines that were processed.
type Summary struct {
	Stored       int           `json:"stored"`
	AlreadyThere int           `json:"already_there"`
	Refused      int           `json:"refused"` // messages, and lines that are not messages
	Units        backend.Units `json:"-"`
}

// PostAll posts messages as they are read: those of one conversation in order,
// conversations concurrently. It reports lines that are not messages and messages that
// are refused, and goes on with the others. It holds a bounded number of messages at
// any time.
//
// An error of ctx, of the source of messages, or of the backend ends the batch. It
// names the line, and the summary says how much was done. Posting the same messages
// again is safe and completes the batch. A source that blocks should observe ctx.
func (p *Producer) PostAll(
	ctx context.Context, messages iter.Seq2[postroom.NumberedMessage, error], opts BatchOptions,
) (Summary, error) {
	option.Default(&opts.Concurrency, 32)
	if err := option.Check("producer", "Concurrency", opts.Concurrency, 1, 1<<10); err != nil {
		return Summary{}, err
	}
	b := batch{producer: p, report: opts.Report}
	group, groupCtx := errgroup.WithContext(ctx)
	lanes := make([]chan postroom.NumberedMessage, opts.Concurrency)
	for i := range lanes {
		lanes[i] = make(chan postroom.NumberedMessage, laneBuffer)
		group.Go(func() error { return b.work(groupCtx, lanes[i]) })
	}
	readErr := b.spread(groupCtx, messages, lanes)
	for _, lane := range lanes {
		close(lane)
	}
	err := cmp.Or(group.Wait(), readErr)
	if err != nil {
		err = fmt.Errorf("stopped with %d messages stored, %d already there, %d refused: %w",
			b.Stored, b.AlreadyThere, b.Refused, err)
	}
	return b.Summary, err
}

// batch is one call of PostAll.
type batch struct {
	producer *Producer
	report   func(Outcome)

	mu sync.Mutex // guards the summary and calls of report
	Summary
}

// spread sends each message to the lane of its conversation.
func (b *batch) spread(
	ctx context.Context, messages iter.Seq2[postroom.NumberedMessage, error], lanes []chan postroom.NumberedMessage,
) error {
	seed := maphash.MakeSeed()
	for m, err := range messages {
		var broken *postroom.LineError
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.As(err, &broken):
			b.done(Outcome{Line: broken.Line, Err: err})
			continue
		case err != nil:
			return err
		}
		lane := lanes[maphash.String(seed, m.GroupUUID)%uint64(len(lanes))]
		select {
		case lane <- m:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// work posts the messages of a lane, one after the other, until the lane is closed or
// a put fails for another reason than its message.
func (b *batch) work(ctx context.Context, lane <-chan postroom.NumberedMessage) error {
	for m := range lane {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		result, err := b.producer.Post(ctx, m.Message)
		var refused *RefusedError
		switch {
		case err == nil, errors.As(err, &refused):
		case ctx.Err() != nil:
			return context.Cause(ctx)
		default:
			return fmt.Errorf("line %d: %w", m.Line, err)
		}
		b.done(Outcome{Line: m.Line, Key: backend.Key{PK: m.GroupUUID, SK: m.Key()}, Result: result, Err: err})
	}
	return nil
}

// done counts and reports a line.
func (b *batch) done(o Outcome) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.Units = b.Units.Add(o.Units)
	switch {
	case o.Err != nil:
		b.Refused++
	case o.AlreadyThere:
		b.AlreadyThere++
	default:
		b.Stored++
	}
	if b.report != nil {
		b.report(o)
	}
}
