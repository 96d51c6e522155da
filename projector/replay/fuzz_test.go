package replay

import (
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/fuzz"
)

// An item is refused, or it is a replay that is stored as that item again.
func FuzzReplay(f *testing.F) {
	at := time.Date(2026, 5, 21, 10, 30, 0, 123456000, time.UTC)
	begun, err := New(Definition{Name: "lost", From: "3h", Begin: at, End: at.Add(3 * time.Hour), Rate: 500, Queue: "q.fifo"}, Log, 12, at)
	if err != nil {
		f.Fatal(err)
	}
	later := begun
	later.Groups, later.Users, later.Notify = []string{id(1), id(2)}, []string{id(3)}, true
	later.after, later.version, later.writer, later.Holder = backend.Key{PK: id(1), SK: endOfMessages}, 3, "ann", "ann"
	later.Counts = Counts{Replayed: 4, Projected: 3, Notified: 2, Quarantined: 1}
	done := later
	done.State, done.FinishedAt, done.Source = Done, at.Add(time.Hour), Stream
	fuzz.Items(f, func(it backend.Item) (backend.Item, error) {
		r, err := decode(it)
		if err != nil {
			return nil, err
		}
		encoded := r.encode()
		for _, name := range []string{backend.AttrPK, backend.AttrSK, "format", attrExpires} {
			if encoded[name] = it[name]; it[name] == nil {
				delete(encoded, name)
			}
		}
		return encoded, nil
	}, begun.encode(), later.encode(), done.encode())
}
