package projector

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/sim"
	"github.com/postroom/postroom/stream"
)

// TestS12SetAsideWhole sets aside a message that takes several parts and one
// that takes a single one, and reads them back.
func TestS12SetAsideWhole(t *testing.T) {
	t.Parallel()
	a := aside{retrying{sim.NewStore(1).Table("control")}}
	group := "11111111-1111-4111-8111-111111111111"
	message := func(id, text string) postroom.Message {
		return postroom.Message{
			GroupUUID: group, MessageUUID: id, UserUUID: "22222222-2222-4222-8222-222222222222",
			DisplayName: "a", Handle: "@a", Text: text,
			CreatedAt: time.Date(2026, 5, 21, 10, 30, 0, 0, time.UTC),
		}
	}
	random := make([]byte, 350<<10) // does not shrink
	if _, err := rand.Read(random); err != nil {
		t.Fatal(err)
	}
	big := message("33333333-3333-4333-8333-333333333333", "with a large attribute of somebody else's")
	small := message("44444444-4444-4444-8444-444444444444", "hello")
	for i, m := range []postroom.Message{big, small} {
		r := &stream.Record{Shard: "shard-0", Record: backend.Record{
			EventID: string(rune('a' + i)), Key: backend.Key{PK: group, SK: m.Key()},
			CreatedAt: m.CreatedAt, Sequence: "1",
			NewImage: func() (backend.Item, error) {
				item := m.Item()
				if i == 0 {
					item["attachment"] = &types.AttributeValueMemberB{Value: random}
				}
				return item, nil
			},
		}}
		if _, err := a.put(t.Context(), r, errNoMembers, 1, false); err != nil {
			t.Fatal(err)
		}
	}
	found, err := a.waitingOf(t.Context(), group)
	if err != nil {
		t.Fatal(err)
	}
	var got []postroom.Message
	for _, w := range found {
		got = append(got, w.message)
	}
	if diff := cmp.Diff([]postroom.Message{big, small}, got); diff != "" {
		t.Fatal(diff)
	}
	if n, err := CountSetAside(t.Context(), a.table); n != 2 || err != nil {
		t.Fatalf("%d records are set aside (%v), want 2", n, err)
	}
	if parts := len(found[0].keys); parts < 2 {
		t.Fatalf("the big one took %d parts: the test shows nothing", parts)
	}
	for _, w := range found {
		if err := a.delete(t.Context(), w.keys); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := CountSetAside(t.Context(), a.table); n != 0 || err != nil {
		t.Fatalf("%d records are set aside (%v), want none", n, err)
	}
}
