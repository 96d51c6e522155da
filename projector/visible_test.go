package projector

import (
	"testing"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/projector/quarantine"
)

func TestWhenAMessageWasPosted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		created, recorded time.Duration // after the start
		origin            quarantine.Origin
		want              time.Time
	}{
		"its own time":                   {0, time.Minute, quarantine.Stream, start},
		"its own, a little ahead":        {time.Minute, 0, quarantine.Stream, start.Add(time.Minute)},
		"imported: the stream's":         {0, time.Minute + 1, quarantine.Stream, start.Add(time.Minute + 1)},
		"the producer's clock is wrong":  {time.Hour, 0, quarantine.Stream, start},
		"from the log":                   {0, 0, quarantine.Log, time.Time{}},
		"from quarantine, whoever waits": {0, 0, "", time.Time{}},
	} {
		m := newMessage(postroom.Message{CreatedAt: start.Add(c.created)},
			quarantine.Record{Origin: c.origin, CreatedAt: start.Add(c.recorded)}, nil)
		if got := m.posted(); !got.Equal(c.want) {
			t.Errorf("%s: posted at %v, want %v", name, got, c.want)
		}
	}
}

// A message is counted when its conversation is where it belongs, and a repetition of its
// record is not.
func TestVisible(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.table.onTransact = func([]backend.Action) error { return failure(backend.KindUnavailable) }
		r.run()
		ms := conversationOf(1, 3, 2)
		for i := range ms {
			ms[i].CreatedAt = time.Now().Add(time.Duration(i) * time.Microsecond)
		}
		r.post(ms...)
		time.Sleep(time.Minute)
		if h := r.p.visible.Histogram(); h.Count != 0 {
			t.Errorf("%+v before anything can be seen", h)
		}
		r.table.set(func() { r.table.onTransact = nil })
		r.settled()
		h := r.p.visible.Histogram()
		if h.Count != 2 || h.Buckets[30] != 0 || h.Buckets[300] != 2 {
			t.Errorf("%+v, want two that took more than a minute", h)
		}
		r.end()
	})
}
