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
	// is not a message, and a [RefusedError] if the message was refused. A LineError
	// that is [postroom.ErrListCut] counts as none of them.
	Err error
	// OpeningRefused is the number of a line that would have opened the conversation
	// and was refused. Unless the conversation is open already, nobody sees this
	// message before that line is corrected and posted. 0: there is none.
	OpeningRefused int
	// Before is the number of an earlier line of the conversation with the same time
	// that comes after this one in the log, since the uuid decides. 0: there is none.
	Before int
}

// Summary counts the lines that were processed.
type Summary struct {
	Stored       int           `json:"stored"`
	AlreadyThere int           `json:"already_there"`
	Refused      int           `json:"refused"`             // messages, and lines that are not messages
	Orphaned     int           `json:"orphaned,omitempty"`  // outcomes with OpeningRefused
	Reordered    int           `json:"reordered,omitempty"` // outcomes with Before
	Units        backend.Units `json:"-"`
}

// PostAll posts messages as they are read: those of one conversation in order,
// conversations concurrently. It reports lines that are not messages and messages that
// are refused, and goes on with the others. It holds a bounded number of messages at
// any time.
//
// An error of ctx, of the source of messages, or of the backend ends the batch. One of
// the backend names the line, and the summary says how much was done. Posting the same messages
// again is safe and completes the batch. A source that blocks should observe ctx.
//
// An outcome also says what earlier lines mean for it, see [Outcome]; of batches with
// more than 16,384 conversations only the most recent ones are remembered for that.
func (p *Producer) PostAll(
	ctx context.Context, messages iter.Seq2[postroom.NumberedMessage, error], opts BatchOptions,
) (Summary, error) {
	option.Default(&opts.Concurrency, 32)
	if err := option.Check("producer", "Concurrency", opts.Concurrency, 1, 1<<10); err != nil {
		return Summary{}, err
	}
	b := batch{producer: p, report: opts.Report, history: newHistory()}
	group, groupCtx := errgroup.WithContext(ctx)
	lanes := make([]chan line, opts.Concurrency)
	for i := range lanes {
		lanes[i] = make(chan line, laneBuffer)
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
	history  *history

	mu sync.Mutex // guards the summary and calls of report
	Summary
}

// line is a message on its way to its lane.
type line struct {
	postroom.NumberedMessage

	before int // see Outcome
}

// spread sends each message to the lane of its conversation.
func (b *batch) spread(
	ctx context.Context, messages iter.Seq2[postroom.NumberedMessage, error], lanes []chan line,
) error {
	seed := maphash.MakeSeed()
	for m, err := range messages {
		var broken *postroom.LineError
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.As(err, &broken):
			if broken.Members && broken.GroupUUID != "" {
				b.history.refuse(broken.GroupUUID, broken.Line)
			}
			b.done(Outcome{Line: broken.Line, Err: err})
			continue
		case err != nil:
			return err
		}
		lane := lanes[maphash.String(seed, m.GroupUUID)%uint64(len(lanes))]
		select {
		case lane <- line{m, b.history.read(m)}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// work posts the messages of a lane, one after the other, until the lane is closed or
// a put fails for another reason than its message.
func (b *batch) work(ctx context.Context, lane <-chan line) error {
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
		o := Outcome{Line: m.Line, Key: backend.Key{PK: m.GroupUUID, SK: m.Key()}, Result: result, Err: err}
		b.relate(&o, m)
		b.done(o)
	}
	return nil
}

// relate says what earlier lines mean for a message that was posted or refused, and
// remembers what it means for later ones.
func (b *batch) relate(o *Outcome, m line) {
	switch {
	case o.Err != nil && m.Members != nil:
		b.history.refuse(m.GroupUUID, m.Line)
	case o.Err != nil:
	case m.Members != nil:
		b.history.open(m.GroupUUID)
		o.Before = m.before
	default:
		o.OpeningRefused, o.Before = b.history.openingRefused(m.GroupUUID), m.before
	}
}

// done counts and reports a line.
func (b *batch) done(o Outcome) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.Units = b.Units.Add(o.Units)
	switch {
	case errors.Is(o.Err, postroom.ErrListCut):
	case o.Err != nil:
		b.Refused++
	case o.AlreadyThere:
		b.AlreadyThere++
	default:
		b.Stored++
	}
	if o.OpeningRefused > 0 {
		b.Orphaned++
	}
	if o.Before > 0 {
		b.Reordered++
	}
	if b.report != nil {
		b.report(o)
	}
}
