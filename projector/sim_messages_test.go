package projector_test

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
)

// draft is a message to be posted. Its time is that of the conversation's clock
// when it is, moved by the offset.
type draft struct {
	postroom.Message

	members []postroom.Member // of the conversation; nil: it has rivals, and its head decides
	clock   *time.Time
	offset  time.Duration
}

// clockLife is how long a conversation's clock stands still: so late can a
// message arrive that was written before others.
const clockLife = 30 * time.Second

// compose makes the messages: conversations of two and three, now and then of
// 99, 100 or 237, ties, late arrivals, nonMembers, openings that arrive late, and
// openings that claim the conversation for others.
func (w *world) compose() {
	for range 1 + w.rng.IntN(3) {
		size := 2 + w.rng.IntN(2)
		if w.rng.IntN(4) == 0 {
			size = []int{99, 100, 100, 100, 237}[w.rng.IntN(5)]
		}
		conversation := w.conversation(size)
		if w.rng.IntN(3) == 0 { // the opening arrives late
			w.rng.Shuffle(len(conversation), func(i, j int) {
				conversation[i], conversation[j] = conversation[j], conversation[i]
			})
		}
		w.drafts = append(w.drafts, conversation...)
	}
	if w.rng.IntN(2) == 0 { // side by side
		w.rng.Shuffle(len(w.drafts), func(i, j int) { w.drafts[i], w.drafts[j] = w.drafts[j], w.drafts[i] })
	}
}

func (w *world) conversation(size int) []*draft {
	members := make([]postroom.Member, size)
	for i := range members {
		members[i] = postroom.Member{UserUUID: w.uuid(), DisplayName: fmt.Sprint("user ", i), Handle: fmt.Sprint("@", i)}
	}
	group, clock, offset := w.uuid(), new(time.Time), time.Duration(0)
	pair := size == postroom.MinMembers && w.rng.IntN(2) == 0
	if pair {
		group = postroom.PairUUID(members[0].UserUUID, members[1].UserUUID)
	}
	var conversation []*draft
	for i := range 2 + w.rng.IntN(8) {
		switch w.rng.IntN(4) {
		case 0: // a tie
		case 1:
			offset -= 3 * time.Microsecond
		default:
			offset += time.Duration(1+w.rng.IntN(5)) * time.Microsecond
		}
		sender := members[w.rng.IntN(size)]
		m := postroom.Message{
			GroupUUID: group, MessageUUID: w.uuid(), UserUUID: sender.UserUUID,
			DisplayName: sender.DisplayName, Handle: sender.Handle, Text: fmt.Sprintf("message %d", i),
		}
		if i == 0 {
			m.Members = members
		} else if w.rng.IntN(20) == 0 {
			m.UserUUID = w.uuid() // a non-member
		}
		conversation = append(conversation, &draft{m, members, clock, offset})
	}
	if w.rng.IntN(4) == 0 {
		conversation = w.claim(conversation, pair)
	}
	return conversation
}

// claim adds a message that opens a conversation for others: for its members and one
// more, or without one of them. That of a pair cannot be claimed so. Of another one, the
// claim wins if it is the first when the head is made.
func (w *world) claim(conversation []*draft, pair bool) []*draft {
	first := conversation[0]
	claimant := postroom.Member{UserUUID: w.uuid(), DisplayName: "claimant", Handle: "@claimant"}
	claim := &draft{first.Message, first.members, first.clock, first.offset + time.Duration(w.rng.IntN(9)-4)*time.Microsecond}
	claim.MessageUUID, claim.Text = w.uuid(), "a claim"
	claim.Members = append(slices.Clone(first.members[w.rng.IntN(2):]), claimant)
	if w.rng.IntN(2) == 0 {
		claim.UserUUID = claimant.UserUUID
	} else {
		claim.UserUUID = claim.Members[0].UserUUID
	}
	conversation = slices.Insert(conversation, w.rng.IntN(len(conversation)+1), claim)
	if !pair {
		for _, d := range conversation {
			d.members = nil
		}
	}
	return conversation
}

func (w *world) uuid() string {
	var b [16]byte
	for i := range b {
		b[i] = byte(w.rng.Uint32())
	}
	b[6] = b[6]&0x0f | 4<<4 // random, as its version says
	return uuid.Must(uuid.FromBytes(b[:])).String()
}

// postNow posts a few messages, now and then.
func (w *world) postNow() {
	if w.rng.IntN(200) == 0 { // nobody writes for a while
		w.silent = w.soon(4 * time.Second)
	}
	if time.Now().After(w.silent) && w.rng.IntN(25) == 0 {
		w.post(1 + w.rng.IntN(3))
	}
}

// post posts the next n messages, if so many are left.
func (w *world) post(n int) {
	for range min(n, len(w.drafts)) {
		d := w.drafts[0]
		w.drafts = w.drafts[1:]
		if time.Since(*d.clock) > clockLife {
			*d.clock = time.Now().Truncate(time.Microsecond)
		}
		d.CreatedAt = d.clock.Add(d.offset).UTC()
		w.check.expect(d.Message, d.members)
		w.sched.Note("posted %s %s", d.GroupUUID, d.Key())
		if _, err := w.store.Table(tableName).Put(context.Background(), d.Item(), backend.Condition{Absent: true}); err != nil {
			w.t.Fatal(err)
		}
	}
}
