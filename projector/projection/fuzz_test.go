package projection

import (
	"testing"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/fuzz"
)

// An item is refused, or it is a head that is stored as that item again: what a move
// does not know is carried along.
func FuzzHead(f *testing.F) {
	m := conversationOf(1, 2, 1)[0]
	settled := Head{Last: m.Position(), OpenedBy: m.Key(), MovedAt: start}
	open := settled
	open.MovedBy = "host:1:a worker"
	open.at = placement{7, []postroom.View{beside}}
	open.Old, open.open = postroom.RowKey(start.Add(-1e6), m.GroupUUID), true
	fuzz.Items(f, func(it backend.Item) (backend.Item, error) {
		if backend.KeyOf(it).SK != postroom.HeadKey {
			return it, nil // not read as a head
		}
		h, err := DecodeHead(it)
		return h.encode(backend.KeyOf(it).PK), err
	}, settled.encode(m.GroupUUID), open.encode(m.GroupUUID))
}
