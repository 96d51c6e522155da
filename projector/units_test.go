package projector

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/local"
	"github.com/postroom/postroom/deploy"
	"github.com/postroom/postroom/projector/projection"
	"github.com/postroom/postroom/projector/verify"
)

// BenchmarkUnits prints the write and read units for each message, the message
// itself included, when so many messages of one conversation fold into one
// move. "cached" is a worker that made the last move itself; "cold" one that
// comes to the conversation for the first time.
//
//	go test -run - -bench Units -benchtime 20x ./projector
func BenchmarkUnits(b *testing.B) {
	for _, members := range []int{2, 237} {
		for _, index := range []bool{false, true} {
			for _, batch := range []int{1, 10, 100} {
				for _, cold := range []bool{false, true} {
					name := fmt.Sprintf("members=%d/index=%t/batch=%d/%s", members, index, batch, map[bool]string{false: "cached", true: "cold"}[cold])
					b.Run(name, func(b *testing.B) { benchmarkUnits(b, members, batch, index, cold) })
				}
			}
		}
	}
}

func benchmarkUnits(b *testing.B, members, batch int, index, cold bool) {
	ctx := b.Context()
	u := newUnits(b, members, index)
	u.postAndMove(ctx, b, batch) // opens the conversation and fills the cache
	before := u.meter.Units()
	for b.Loop() {
		if cold {
			u.p.cache = projection.NewCache[*projection.Conversation]()
		}
		u.postAndMove(ctx, b, batch)
	}
	used := u.meter.Units()
	messages := float64(b.N * batch)
	b.ReportMetric((used.Write-before.Write)/messages, "write-units/message")
	b.ReportMetric((used.Read-before.Read)/messages, "read-units/message")
	b.ReportMetric(0, "ns/op")
}

// units is one conversation on a metered local table, without a reader.
type units struct {
	meter   backend.Meter
	table   backend.Table
	p       *Projector
	members []postroom.Member
	at      time.Time
}

func newUnits(b testing.TB, members int, index bool) *units {
	store, err := local.Open(":memory:", local.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = store.Close() })
	if _, err := deploy.Provision(b.Context(), store, deploy.Options{Table: "bench", Queue: "bench.fifo", Index: index}); err != nil {
		b.Fatal(err)
	}
	u := &units{at: time.Date(2026, 5, 21, 10, 30, 0, 0, time.UTC)}
	u.table = u.meter.Table(store.Table("bench"))
	// Pacing is left out: it costs time, not units.
	u.p = New(Config{
		Table: u.table, Control: store.Table(postroom.ControlTable("bench")),
		Stream: store.Stream("bench"), Queue: store.Queue("bench.fifo"), QueueName: "bench.fifo", TableName: "bench",
	}, Options{})
	for i := range members {
		u.members = append(u.members, postroom.Member{
			UserUUID:    uuid.NewSHA1(uuid.NameSpaceURL, fmt.Append(nil, i)).String(),
			DisplayName: fmt.Sprint("member ", i), Handle: fmt.Sprint("@member", i),
		})
	}
	return u
}

// postAndMove appends a batch of messages and projects them as one.
func (u *units) postAndMove(ctx context.Context, b testing.TB, batch int) {
	b.Helper()
	l := &lane{group: id(1)}
	for range batch {
		u.at = u.at.Add(time.Millisecond)
		m := postroom.Message{
			GroupUUID: l.group, MessageUUID: uuid.NewString(), CreatedAt: u.at, Text: "How is the parcel doing?",
			UserUUID: u.members[0].UserUUID, DisplayName: u.members[0].DisplayName, Handle: u.members[0].Handle,
		}
		if u.p.Stats().Projected == 0 && len(l.held) == 0 {
			m.Members = u.members
		}
		if _, err := u.table.Put(ctx, m.Item(), backend.Condition{Absent: true}); err != nil {
			b.Fatal(err)
		}
		l.held = append(l.held, unread(m))
	}
	if _, err := u.p.advance(ctx, l); err != nil || len(l.held) > 0 {
		b.Fatalf("%v, %d messages left", err, len(l.held))
	}
	u.p.lanes.rest(l, 0, false)
}

// TestP12ThousandMembers moves a conversation of a thousand, in eleven
// transactions, and a worker that does not know it completes the move and moves it on.
func TestP12ThousandMembers(t *testing.T) {
	t.Parallel()
	u := newUnits(t, 1000, true)
	for range 2 {
		u.postAndMove(t.Context(), t, 3)
		u.p.cache = projection.NewCache[*projection.Conversation]()
	}
	report, err := verify.Run(t.Context(), u.table, verify.Options{Index: true})
	if err != nil || report != (verify.Report{Messages: 6, Conversations: 1, GroupItems: 1000}) {
		t.Errorf("%+v, %v", report, err)
	}
}
