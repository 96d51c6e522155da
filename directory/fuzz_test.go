package directory

import (
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/fuzz"
)

const user = "11111111-1111-4111-8111-111111111111"

func FuzzProfile(f *testing.F) {
	at := time.Date(2026, 5, 21, 10, 30, 0, 1000, time.UTC)
	whole := Profile{
		UserUUID: "b94983ef-acc4-57e2-aded-d3788f4910e9", DisplayName: "Zoë", Handle: "Zoë", ForeignDID: "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa",
		CreatedAt: at, UpdatedAt: at.Add(time.Second), folded: "zoë",
	}
	fuzz.Items(f, func(it backend.Item) (backend.Item, error) {
		p, err := decode(it)
		return p.encode(), err
	}, whole.encode(), Profile{UserUUID: user, DisplayName: "Ada", CreatedAt: at, UpdatedAt: at}.encode())
}

func FuzzHandle(f *testing.F) {
	fuzz.Items(f, func(it backend.Item) (backend.Item, error) {
		o, err := decodeOwner(it)
		return o.encode(), err
	}, owner{"ada", user}.encode())
}

// A DID is refused, or it is that of one user.
func FuzzDID(f *testing.F) {
	f.Add("did:plc:aaaaaaaaaaaaaaaaaaaaaaaa")
	f.Add(UserDID(user))
	f.Fuzz(func(t *testing.T, did string) {
		id, err := ParseDID(did)
		if err != nil {
			fuzz.Refused(t, err)
			return
		}
		if again, err := ParseDID(UserDID(id)); err != nil || again != id {
			t.Fatalf("%q is user %q, who is %q, %v", did, id, again, err)
		}
	})
}

// A name is refused, or it can be stored and read.
func FuzzNames(f *testing.F) {
	f.Add("Ada Lovelace", "@Ada")
	f.Add("Пётр", "пётр")
	f.Fuzz(func(t *testing.T, name, handle string) {
		p := Profile{UserUUID: user, DisplayName: name, Handle: handle, CreatedAt: time.Unix(1, 0), UpdatedAt: time.Unix(1, 0)}
		if err := p.normal(); err != nil {
			fuzz.Refused(t, err)
			return
		}
		got, err := decode(p.encode())
		if err != nil || got.saysSame(p) == false || got.folded != p.folded {
			t.Fatalf("%+v is read as %+v, %v", p, got, err)
		}
	})
}
