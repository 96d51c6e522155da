package projector

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/projector/backfill"
	"github.com/postroom/postroom/projector/verify"
)

// TestF10MessagesFromTheFuture: the producer's clock was three hours ahead, and it
// validated against itself. The projector says so, once in ten minutes however many
// there are, and counts all of them. They are projected like others, and the order is
// that of their times, for the lists as for verify: a reply comes to the top once its
// time has.
func TestF10MessagesFromTheFuture(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.table.index = r.indexed
		r.run()
		defer r.end()
		ms := conversationOf(1, 2, 6)
		ahead := func(m *postroom.Message, by time.Duration) {
			m.CreatedAt = time.Now().UTC().Truncate(time.Microsecond).Add(by)
		}
		ahead(&ms[0], 0)
		ahead(&ms[1], postroom.MaxClockSkew) // as a producer may
		r.post(ms[:2]...)
		r.settled()
		if n := r.p.Stats().FromFuture; n != 0 {
			t.Errorf("%d messages are from the future:\n%s", n, r.log.String())
		}
		for i := range ms[2:5] {
			ahead(&ms[2+i], 3*time.Hour)
		}
		r.post(ms[2:5]...)
		r.settled()
		ahead(&ms[5], 0)
		r.post(ms[5]) // the reply
		r.settled()
		r.wantLast(ms[4], 2)
		if _, found := r.verify(verify.Options{Index: true}); found != nil {
			t.Errorf("%v", found)
		}
		if n := r.p.Stats().FromFuture; n != 3 {
			t.Errorf("%d messages are from the future, want 3", n)
		}
		if n := strings.Count(r.log.String(), "from the future"); n != 1 || !strings.Contains(r.log.String(), "ahead=2h59m5") {
			t.Errorf("the log says so %d times:\n%s", n, r.log.String())
		}
		time.Sleep(10 * time.Minute)
		late := ms[0]
		late.MessageUUID, late.Members = id(99), nil
		ahead(&late, 4*time.Hour)
		r.post(late)
		r.settled()
		if n := strings.Count(r.log.String(), "from the future"); n != 2 || !strings.Contains(r.log.String(), "more_since_last_said=2") {
			t.Errorf("the log says so %d times:\n%s", n, r.log.String())
		}
		time.Sleep(5 * time.Hour)
		reply := late
		reply.MessageUUID = id(100)
		ahead(&reply, 0)
		r.post(reply)
		r.settled()
		r.wantLast(reply, 2)
	})
}

// TestF10TwoClocksDecide whether a message is from the future: one that is wrong itself,
// the stream's or this machine's, accuses no producer.
func TestF10TwoClocksDecide(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 21, 10, 30, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		created, recorded time.Duration // from now
		stream            bool
		want              int64
	}{
		"all agree":                        {0, 0, true, 0},
		"a minute, and the second's rest":  {61 * time.Second, 0, true, 0},
		"more than a minute":               {62 * time.Second, 0, true, 1},
		"this machine's clock is behind":   {3 * time.Hour, 3 * time.Hour, true, 0},
		"the stream's clock is behind":     {0, -3 * time.Hour, true, 0},
		"read long after it was posted":    {-time.Hour, -4 * time.Hour, true, 0},
		"from the log, and in the future":  {2 * time.Hour, 0, false, 1},
		"from the log, and not any longer": {-2 * time.Hour, 0, false, 0},
	} {
		c := clocks{now: func() time.Time { return now }, log: slog.New(slog.DiscardHandler)}
		var recorded time.Time
		if test.stream {
			recorded = now.Add(test.recorded)
		}
		c.compare(postroom.Message{CreatedAt: now.Add(test.created)}, recorded)
		if got := c.total(); got != test.want {
			t.Errorf("%s: %d from the future, want %d", name, got, test.want)
		}
	}
}

// TestF10MessagesOfTheLogFromTheFuture count like those of the stream.
func TestF10MessagesOfTheLogFromTheFuture(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ms := conversationOf(1, 2, 2)
		ms[1].CreatedAt = time.Now().UTC().Truncate(time.Microsecond).Add(3 * time.Hour)
		if err := r.p.submit(t.Context(), []backfill.Item{{Message: ms[0]}, {Message: ms[1]}}); err != nil {
			t.Fatal(err)
		}
		if n := r.p.Stats().FromFuture; n != 1 || !strings.Contains(r.log.String(), "ahead=3h0m0s") {
			t.Errorf("%d messages are from the future, want 1:\n%s", n, r.log.String())
		}
	})
}
