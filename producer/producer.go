package producer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
)

// ErrOtherContent says that there is another message under the same identity.
// The log is append-only; what is new needs a uuid of its own.
var ErrOtherContent = errors.New("another message is stored under the same conversation, time and uuid")

// RefusedError is a message that was not posted through a fault of its own. It
// would be refused again.
type RefusedError struct {
	Key backend.Key // where it would have been stored
	Err error       // why not
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("message %s %s: %v", e.Key.PK, e.Key.SK, e.Err)
}

func (e *RefusedError) Unwrap() error { return e.Err }

// Options of a [Producer].
type Options struct {
	// Now is the producer's clock. Default time.Now.
	Now func() time.Time
	// MaxAttempts is how often a put is made before its error is returned, the
	// first time included. Between attempts there is a random pause of 13
	// to 25 ms, doubled each time up to 2 s. Default 10: some five seconds.
	MaxAttempts int
}

// Producer appends messages to the log of one table. It may be used
// concurrently.
type Producer struct {
	table       backend.Table
	now         func() time.Time
	maxAttempts int
}

// New makes a producer for a table.
func New(table backend.Table, opts Options) *Producer {
	p := &Producer{table: table, now: opts.Now, maxAttempts: cmp.Or(max(opts.MaxAttempts, 0), 10)}
	if p.now == nil {
		p.now = time.Now
	}
	return p
}

// Result is what came of posting a message.
type Result struct {
	// AlreadyThere: the same message was stored before, and nothing changed. It
	// is false where only an earlier attempt of this call, whose answer was
	// lost, may have stored it.
	AlreadyThere bool
	Units        backend.Units // of all attempts, as far as the server told
}

// Post appends a message. It refuses one that is invalid by itself (see
// [postroom.Message.Validate]), more than [postroom.MaxClockSkew] ahead of the
// clock, too large for an item, or at odds with what is stored under its key.
func (p *Producer) Post(ctx context.Context, m postroom.Message) (Result, error) {
	item := m.Item()
	if err := p.check(m, item); err != nil {
		return Result{}, &RefusedError{backend.KeyOf(item), err}
	}
	var result Result
	answerLost := false
	err := p.retry(ctx, func() error {
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

// check finds what keeps m out of the log before anything is written.
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
		return fmt.Errorf("it takes %d bytes as an item of the table, at most %d (400 KB) are allowed; its text has %d",
			size, backend.MaxItemBytes, len(m.Text))
	}
	return nil
}

// compare tells a message that was there already, nil, from another one under
// its key.
func compare(m postroom.Message, conditionFailed error) error {
	var e *backend.Error
	if !errors.As(conditionFailed, &e) || e.Item == nil {
		return conditionFailed // no such answer is promised: not knowing is no success
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

// same compares all that is stored of two messages. In which order members
// stand is no content.
func same(a, b postroom.Message) bool {
	return a.GroupUUID == b.GroupUUID && a.Position().Compare(b.Position()) == 0 &&
		a.UserUUID == b.UserUUID && a.DisplayName == b.DisplayName && a.Handle == b.Handle &&
		a.Text == b.Text && slices.Equal(byUUID(a.Members), byUUID(b.Members))
}

func byUUID(members []postroom.Member) []postroom.Member {
	return slices.SortedFunc(slices.Values(members), func(a, b postroom.Member) int {
		return strings.Compare(a.UserUUID, b.UserUUID)
	})
}
