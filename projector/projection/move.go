package projection

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
)

// chunkRows is how many rows go into one transaction: one action is the head's.
const chunkRows = backend.MaxTransact - 1

// plan is one move, made of values alone.
type plan struct {
	to     Head
	chunks [][]backend.Action // the head and the first rows; the other rows, fenced by the head
	left   []backend.Key      // the rows that are left, to be deleted afterwards
}

// planMove plans the move of c to its newest message, which must be past the
// head. c must be complete, or have no head. The rows are put where the table has its
// views; those that they leave in views that are no more are deleted with the views.
func planMove(c *Conversation, newest postroom.Message, table placement, now time.Time, by string) plan {
	at := c.placement().later(table)
	to := Head{
		Last:     newest.Position(),
		OpenedBy: c.opener,
		open:     len(c.Members)*len(at.all()) > chunkRows,
		MovedAt:  now,
		MovedBy:  by,
		at:       at,
	}
	fence := backend.Condition{Absent: true}
	if c.head != nil {
		to.more = c.head.more
		fence = c.head.unchanged()
		// Two messages of one time: the rows stay where they are and are
		// replaced there. A live row must never be taken for an old one.
		if old := c.head.Row(c.Group); old != to.Row(c.Group) {
			to.Old = old
		}
	}
	p := plan{to: to, chunks: fenced(check(c.Group, to.unchanged()), puts(newest, c.Members, at.all()))}
	p.chunks[0][0] = backend.Action{Put: to.encode(c.Group), Condition: fence}
	if to.Old != "" {
		p.left = RowKeys(at.all(), c.Members, to.Old)
	}
	return p
}

// puts are the actions that put every member's row in each view.
func puts(last postroom.Message, members []postroom.Member, in []postroom.View) []backend.Action {
	actions := make([]backend.Action, 0, len(members)*len(in))
	for _, v := range in {
		for _, g := range v.Groups(last, members) {
			actions = append(actions, backend.Action{Put: v.Item(g)})
		}
	}
	return actions
}

// check is the action that has a transaction go ahead only if a condition holds for the
// head of a conversation.
func check(group string, c backend.Condition) backend.Action {
	return backend.Action{Check: backend.Key{PK: group, SK: postroom.HeadKey}, Condition: c}
}

// fenced splits actions on rows into transactions, each with the check of the head.
func fenced(check backend.Action, rows []backend.Action) [][]backend.Action {
	var chunks [][]backend.Action
	for chunk := range slices.Chunk(rows, chunkRows) {
		chunks = append(chunks, append([]backend.Action{check}, chunk...))
	}
	return chunks
}

// RowKeys are the keys of members' rows under one sort key, view by view.
func RowKeys(in []postroom.View, members []postroom.Member, sk string) []backend.Key {
	keys := make([]backend.Key, 0, len(members)*len(in))
	for _, v := range in {
		for _, p := range members {
			keys = append(keys, backend.Key{PK: v.InboxKey(p.UserUUID), SK: sk})
		}
	}
	return keys
}

// RefusedError means that the table refuses what a move is to put, and names that as
// what is wrong. The move to another message may succeed.
type RefusedError struct{ Err error }

func (r *RefusedError) Error() string { return r.Err.Error() }

// Unwrap returns the cause.
func (r *RefusedError) Unwrap() error { return r.Err }

// Move brings the rows of c to its newest message: put under the fence, delete
// afterwards. After any error c is void; a failed condition means that
// somebody else moved the conversation meanwhile. The error is a *RefusedError, or
// the backend's.
func (p Projection) Move(ctx context.Context, c *Conversation, newest postroom.Message, now time.Time) error {
	table, err := p.tablePlacement(ctx)
	if err != nil {
		return err
	}
	plan := planMove(c, newest, table, now, p.by)
	token := tokens(c, plan.to)
	for i, chunk := range plan.chunks {
		err := p.table.Transact(ctx, token(i), chunk)
		if backend.KindOf(err) == backend.KindInvalid {
			return &RefusedError{err}
		}
		if err != nil {
			return err
		}
	}
	if err := p.table.Delete(ctx, plan.left); err != nil {
		return err
	}
	to := plan.to // alone: a pointer into the plan would keep all its rows in memory
	c.head, c.opening = &to, postroom.Message{}
	if to.open {
		if err := p.close(ctx, c); err != nil {
			return err
		}
	}
	c.completed = true
	c.MovedAt = now
	return nil
}

// close says in the head that all its rows are put and those it left are gone.
func (p Projection) close(ctx context.Context, c *Conversation) error {
	closed := *c.head
	closed.open, closed.Old = false, ""
	return p.table.Put(ctx, closed.encode(c.Group), c.head.unchanged())
}

// tokens names the transactions of one move: what it comes from, where it goes
// and when it was planned, so that two plans never share a token and the
// retries of one always do.
func tokens(c *Conversation, to Head) func(chunk int) string {
	var from string
	if c.head != nil {
		from = c.head.Row(c.Group) + c.head.Last.MessageUUID + postroom.FormatTime(c.head.MovedAt)
	}
	return func(chunk int) string {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s|%s|%s%s|%s|%s|%d|%d", c.Group, from,
			to.Row(c.Group), to.Last.MessageUUID, to.MovedAt.Format(time.RFC3339Nano), to.MovedBy, to.at.generation, chunk))
		return hex.EncodeToString(sum[:18])
	}
}
