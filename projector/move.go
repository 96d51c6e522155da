package projector

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

// mover moves the rows of conversations. See the package comment for the
// protocol and why each step is where it is. It is safe for concurrent use on
// distinct conversations.
type mover struct{ retrying }

// plan is one move, made of values alone.
type plan struct {
	to     head
	first  []backend.Action   // the head and the first rows
	rest   [][]backend.Action // the other rows, each chunk fenced by the head
	behind []backend.Key      // the rows that are left, to be deleted afterwards
}

// planMove plans the move of c to its newest message, which must be past the
// head. c must be settled, or have no head.
func planMove(c *conversation, newest postroom.Message, now time.Time) plan {
	to := head{
		last:     newest.Position(),
		openedBy: c.opener,
		open:     len(c.members) > chunkRows,
		movedAt:  now,
	}
	fence := backend.Condition{Absent: true}
	if c.head != nil {
		to.more = c.head.more
		fence = c.head.unchanged()
		// Two messages of one time: the rows stay where they are and are
		// replaced there. A live row must never be taken for an old one.
		if old := c.head.row(c.group); old != to.row(c.group) {
			to.old = old
		}
	}
	p := plan{to: to}
	puts := rows(newest, c.members)
	n := min(len(puts), chunkRows)
	p.first = append([]backend.Action{{Put: to.encode(c.group), Condition: fence}}, puts[:n]...)
	p.rest = fenced(c.group, to, puts[n:])
	if to.old != "" {
		p.behind = rowKeys(c.members, to.old)
	}
	return p
}

// rows are the puts of every member's row.
func rows(last postroom.Message, members []postroom.Member) []backend.Action {
	groups := postroom.Groups(last, members)
	puts := make([]backend.Action, len(groups))
	for i, g := range groups {
		puts[i].Put = g.Item()
	}
	return puts
}

// fenced splits puts into transactions that go ahead only while the head is h.
func fenced(group string, h head, puts []backend.Action) [][]backend.Action {
	check := backend.Action{
		Check:     backend.Key{PK: group, SK: postroom.HeadKey},
		Condition: h.unchanged(),
	}
	var chunks [][]backend.Action
	for chunk := range slices.Chunk(puts, chunkRows) {
		chunks = append(chunks, append([]backend.Action{check}, chunk...))
	}
	return chunks
}

func rowKeys(members []postroom.Member, sk string) []backend.Key {
	keys := make([]backend.Key, len(members))
	for i, p := range members {
		keys[i] = backend.Key{PK: postroom.InboxKey(p.UserUUID), SK: sk}
	}
	return keys
}

// move brings the rows of c to its newest message: put under the fence, delete
// afterwards. After any error what is known of c is void; a failed condition
// means that somebody else moved the conversation meanwhile.
func (m *mover) move(ctx context.Context, c *conversation, newest postroom.Message, now time.Time) error {
	p := planMove(c, newest, now)
	token := tokens(c, p.to)
	if err := m.transact(ctx, token(0), p.first); err != nil {
		return err
	}
	for i, chunk := range p.rest {
		if err := m.transact(ctx, token(i+1), chunk); err != nil {
			return err
		}
	}
	if err := m.delete(ctx, p.behind); err != nil {
		return err
	}
	to := p.to // alone: a pointer into the plan would keep all its rows in memory
	c.head = &to
	if to.open {
		if err := m.close(ctx, c); err != nil {
			return err
		}
	}
	c.settled = true
	c.moved = now
	return nil
}

// close says in the head that all its rows are put and those it left are gone.
func (m *mover) close(ctx context.Context, c *conversation) error {
	closed := *c.head
	closed.open, closed.old = false, ""
	err := retry(ctx, func() error {
		_, err := m.table.Put(ctx, closed.encode(c.group), c.head.unchanged())
		return err
	})
	if err == nil {
		c.head = &closed
	}
	return err
}

// tokens names the transactions of one move: what it comes from, where it goes
// and when it was planned, so that two plans never share a token and the
// retries of one always do.
func tokens(c *conversation, to head) func(chunk int) string {
	var from string
	if c.head != nil {
		from = c.head.row(c.group) + c.head.last.MessageUUID
	}
	return func(chunk int) string {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s|%s|%s%s|%s|%d", c.group, from,
			to.row(c.group), to.last.MessageUUID, to.movedAt.Format(time.RFC3339Nano), chunk))
		return hex.EncodeToString(sum[:18])
	}
}
