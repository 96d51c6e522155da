package canary

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/inbox"
	"github.com/postroom/postroom/internal/retry"
)

// Stage is a part of a canary's way.
type Stage string

// The stages, in their order.
const (
	Post      Stage = "post"      // into the log
	Visible   Stage = "visible"   // in the inbox of its recipient
	Delivered Stage = "delivered" // to a consumer
)

// Pauses between two looks.
const (
	minPause = 5 * time.Millisecond
	maxPause = time.Second
)

// Result is what became of one canary.
type Result struct {
	MessageUUID string    // "": there is no message yet
	PostedAt    time.Time // its created_at
	// Visible and Delivered are how long after the beginning of its post it was that; 0:
	// it was not, or nobody asked for it.
	Visible, Delivered time.Duration
	// Stage is the first that it did not reach in time, and Err says why; "": it has
	// arrived.
	Stage Stage
	Err   error
}

// sender and recipient return the members of a canary's conversation.
func sender(name string) postroom.Member    { return member(name, "sender") }
func recipient(name string) postroom.Member { return member(name, "recipient") }

func member(name, role string) postroom.Member {
	id := uuid.NewSHA1(postroom.CanaryNamespace, []byte(name+"/"+role))
	return postroom.Member{UserUUID: id.String(), DisplayName: "Canary's " + role, Handle: "canary-" + role}
}

// opening returns the message that opens a canary's conversation.
func opening(name string) postroom.Message {
	from := sender(name)
	group := postroom.CanaryGroup(name)
	return postroom.Message{
		GroupUUID: group, MessageUUID: group,
		UserUUID: from.UserUUID, DisplayName: from.DisplayName, Handle: from.Handle,
		Text:      "Here a canary measures how long messages take.",
		CreatedAt: time.Unix(0, 0).UTC(), // before any other
		Members:   postroom.SortedMembers([]postroom.Member{from, recipient(name)}),
	}
}

// send posts a canary and follows it.
func (c *Canary) send(ctx context.Context) Result {
	ctx, cancel := context.WithTimeoutCause(ctx, c.o.Timeout, retry.ErrNoAnswer)
	defer cancel()
	m, begun, err := c.post(ctx)
	if err != nil {
		return Result{MessageUUID: m.MessageUUID, PostedAt: m.CreatedAt, Stage: Post, Err: fmt.Errorf("the canary cannot be posted: %w", err)}
	}
	return c.follow(ctx, m, begun)
}

// post posts the canary as the newest message of its conversation.
func (c *Canary) post(ctx context.Context) (m postroom.Message, begun time.Time, err error) {
	var shown time.Time
	err = c.table.Retry.Do(ctx, func(ctx context.Context) (err error) {
		shown, err = c.shown(ctx)
		return err
	})
	if err != nil {
		return m, begun, err
	}
	if _, err := c.c.Producer.Post(ctx, c.opening); err != nil {
		return m, begun, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return m, begun, err
	}
	now := postroom.RoundTime(c.o.Now())
	m = c.opening
	m.MessageUUID, m.Text, m.Members, m.CreatedAt = id.String(), "Canary.", nil, now
	if !now.After(shown) {
		m.CreatedAt = shown.Add(time.Microsecond)
	}
	if ahead := m.CreatedAt.Sub(now); ahead > postroom.MaxClockSkew {
		return m, begun, fmt.Errorf("the last canary is %v ahead of this machine's clock: one of the clocks is, or was, wrong. "+
			"Messages of that time hide the replies to them until then, and so does the canary; one of another name goes on", ahead.Round(time.Second))
	}
	begun = time.Now()
	_, err = c.c.Producer.Post(ctx, m)
	return m, begun, err
}

// shown returns the time of the last message that the recipient's inbox shows; zero: none.
func (c *Canary) shown(ctx context.Context) (time.Time, error) {
	page, err := c.inbox.Conversations(ctx, recipient(c.o.Name).UserUUID, inbox.PageOptions{Consistent: true})
	if err != nil {
		return time.Time{}, err
	}
	for _, g := range page.Items {
		if g.GroupUUID == c.opening.GroupUUID {
			return g.LastReplyAt, nil
		}
	}
	if len(page.Unreadable) > 0 {
		return time.Time{}, page.Unreadable[0]
	}
	return time.Time{}, nil
}

// follow asks where a canary is until it has arrived or ctx is done.
func (c *Canary) follow(ctx context.Context, m postroom.Message, begun time.Time) Result {
	r := Result{MessageUUID: m.MessageUUID, PostedAt: m.CreatedAt}
	id := postroom.NotificationID(m, recipient(c.o.Name).UserUUID)
	visible := stage{reached: &r.Visible, ask: func(ctx context.Context) (bool, error) {
		shown, err := c.shown(ctx)
		return err == nil && !shown.Before(m.CreatedAt), err
	}}
	delivered := stage{reached: &r.Delivered, ask: func(ctx context.Context) (bool, error) { return c.c.Handled(ctx, id) }}
	for {
		visible.look(ctx, begun)
		if c.c.Handled != nil {
			delivered.look(ctx, begun)
		}
		if r.Visible > 0 && (r.Delivered > 0 || c.c.Handled == nil) {
			return r
		}
		if retry.Sleep(ctx, min(max(time.Since(begun)/4, minPause), maxPause), nil) != nil {
			break
		}
	}
	if r.Stage = Visible; r.Visible == 0 {
		r.Err = visible.late("after %v the inbox of its recipient does not show the canary", c.o.Timeout)
		return r
	}
	r.Stage = Delivered
	r.Err = delivered.late("after %v no consumer remembers that it has handled the canary's notification %s. "+
		"Consumers with --dedup table do; where there are none, --until visible leaves the delivery out", c.o.Timeout, id)
	return r
}

// stage is one that a canary is to reach.
type stage struct {
	ask     func(context.Context) (bool, error)
	reached *time.Duration // since the beginning; 0: it is not
	err     error          // of the last look
}

// look asks whether the canary has reached the stage, unless that is known.
func (s *stage) look(ctx context.Context, begun time.Time) {
	if *s.reached > 0 {
		return
	}
	there, err := s.ask(ctx)
	if there {
		*s.reached = max(time.Since(begun), time.Microsecond)
	}
	if err == nil || ctx.Err() == nil || s.err == nil { // that the time is up says less than what failed before
		s.err = err
	}
}

// late returns the error of a canary that has not reached the stage.
func (s *stage) late(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	if s.err != nil {
		return fmt.Errorf("%w; asking fails: %w", err, s.err)
	}
	return err
}
