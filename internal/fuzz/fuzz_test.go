package fuzz_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/consumer/dedup"
	"github.com/postroom/postroom/inbox"
	"github.com/postroom/postroom/internal/fuzz"
	"github.com/postroom/postroom/internal/strictjson"
	"github.com/postroom/postroom/producer"
)

func id(n int) string { return fmt.Sprintf("%08x-0000-4000-8000-000000000000", n) }

// list is a table whose answers end at a key, and that knows where it was to begin.
type list struct {
	backend.Table

	ends  string // the sort key of the last item read
	after backend.Key
}

func (l *list) Query(_ context.Context, q backend.Query) (backend.Page, error) {
	l.after = q.After
	return backend.Page{Last: &backend.Key{PK: q.PK, SK: l.ends}}, nil
}

func (*list) Get(context.Context, backend.Key) (backend.Item, backend.Units, error) {
	return nil, backend.Units{}, nil // there is only the default view
}

// A cursor is refused, or it is one that the list itself has made.
func FuzzCursor(f *testing.F) {
	const at = "2026-05-21T10:30:00.000000Z"
	f.Add(at+"#"+id(7), "2026-05", 12, byte(1), "AWM")
	f.Add("MSG#"+at+"#"+id(8), "", 0, byte(0x80), "")
	f.Fuzz(func(t *testing.T, sk, since string, i int, flip byte, foreign string) {
		table := &list{ends: sk}
		in := inbox.New(table)
		read := map[string]func(cursor string) (string, error){
			"one user's list": func(cursor string) (string, error) {
				page, err := in.Conversations(t.Context(), id(1), inbox.PageOptions{Cursor: cursor})
				return page.Cursor, err
			},
			"another user's list": func(cursor string) (string, error) {
				page, err := in.Conversations(t.Context(), id(2), inbox.PageOptions{Cursor: cursor})
				return page.Cursor, err
			},
			"a conversation": func(cursor string) (string, error) {
				page, err := in.Messages(t.Context(), id(1), "", inbox.PageOptions{Cursor: cursor})
				return page.Cursor, err
			},
			"a part of it": func(cursor string) (string, error) {
				page, err := in.Messages(t.Context(), id(1), "2026-05-21", inbox.PageOptions{Cursor: cursor})
				return page.Cursor, err
			},
		}
		if page, err := in.Messages(t.Context(), id(1), since, inbox.PageOptions{}); err != nil {
			if !errors.Is(err, inbox.ErrRequest) || page.Cursor != "" {
				t.Fatal(err)
			}
			fuzz.Refused(t, err)
		}
		refused := func(name, cursor string) {
			t.Helper()
			table.after = backend.Key{}
			_, err := read[name](cursor)
			if cursor != "" && (!errors.Is(err, inbox.ErrCursor) || table.after != backend.Key{}) {
				t.Fatalf("%s: cursor %q reads after %v, %v", name, cursor, table.after, err)
			}
			if err != nil {
				fuzz.Refused(t, err)
			}
		}
		for name := range read {
			refused(name, foreign)
			cursor, err := read[name]("")
			if err != nil || len(cursor) < len(sk) || len(cursor) > 100+2*len(sk) {
				t.Fatalf("cursor %q of %q, %v", cursor, sk, err)
			}
			if again, err := read[name](cursor); err == nil && (again != cursor || table.after.SK != sk) {
				t.Fatalf("%s: cursor %q reads after %q, is %q, wants %q", name, cursor, table.after.SK, again, sk)
			}
			for other := range read {
				if other != name {
					refused(other, cursor)
				}
			}
			damaged := []byte(cursor)
			damaged[uint(i)%uint(len(damaged))] ^= flip
			if flip != 0 {
				refused(name, string(damaged))
			}
			refused(name, cursor[:uint(i)%uint(len(cursor))])
		}
	})
}

// A file of members is refused, or its members come back the same and make a message
// that is valid or refused.
func FuzzMembers(f *testing.F) {
	f.Add([]byte(`[{"user_uuid":"` + id(1) + `","display_name":"Ann","handle":"ann"},` + "\n" + `{"user_uuid":"` + id(2) + `"}]`))
	p := producer.New(nil, producer.Options{})
	f.Fuzz(func(t *testing.T, file []byte) {
		var members []postroom.Member
		if err := strictjson.Decode(file, &members); err != nil {
			fuzz.Refused(t, err)
			return
		}
		again, err := strictjson.Encode(members)
		if err != nil || len(again) > 2+100*len(members)+6*len(file) {
			t.Fatalf("%d bytes became %d, %v", len(file), len(again), err)
		}
		var back []postroom.Member
		if err := strictjson.Decode(again, &back); err != nil || len(members) > 0 && !cmp.Equal(back, members) {
			t.Fatalf("%v\n got %+v\nwant %+v", err, back, members)
		}
		if len(members) == 0 {
			return
		}
		m, err := p.Compose(producer.Draft{From: members[0], To: members[1:], Text: "x", CreatedAt: time.Unix(1e9, 1)})
		if err != nil {
			fuzz.Refused(t, err)
			return
		}
		if err := m.Validate(); err != nil || len(m.Members) != len(members) && len(members) > 1 {
			t.Fatalf("%+v, %v", m, err)
		}
	})
}

// remembered is a table that has an item wherever one is to be put.
type remembered struct {
	backend.Table

	item backend.Item
}

func (r remembered) Put(context.Context, backend.Item, backend.Condition) (backend.Units, error) {
	return backend.Units{}, &backend.Error{Op: "put", Kind: backend.KindConditionFailed, Item: r.item}
}

// What is not DynamoDB's JSON is refused; the rest is an item that comes back the same.
func FuzzItemJSON(f *testing.F) {
	f.Add([]byte(`{"PK":{"S":"a\u0000é"},"n":{"N":"-1.50E+3"},"b":{"B":"AP8="},"t":{"BOOL":true},"u":{"NULL":true},` +
		`"l":{"L":[{"M":{"x":{"S":""}}}]},"ss":{"SS":["b","a"]},"ns":{"NS":["2","1"]},"bs":{"BS":["AQ=="]}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		it, err := backend.DecodeItem(line)
		if err != nil {
			return
		}
		if it, err = backend.NormalItem(it); err != nil {
			return // no table holds it
		}
		again, err := backend.EncodeItem(it)
		if err != nil {
			t.Fatal(err)
		}
		back, err := backend.DecodeItem(again)
		if err != nil || !backend.EqualItems(back, it) || backend.ItemBytes(back) != backend.ItemBytes(it) {
			t.Fatalf("%v\n got %v\nwant %v", err, back, it)
		}
	})
}

// What remembers a handled notification is refused, or it says by itself that it is
// handled, or that another worker has it: nothing else stops a notification.
func FuzzHandledNotification(f *testing.F) {
	for _, state := range []string{"claimed", "done", "released"} {
		f.Add([]byte(`{"PK":{"S":"dedup#x"},"SK":{"S":"ID"},"format":{"N":"1"},"owner":{"S":"a"},"state":{"S":"` +
			state + `"},"expires_at":{"N":"9999999999"}}`))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		item, err := backend.DecodeItem(line)
		if err != nil {
			return
		}
		claim, err := dedup.NewTable(remembered{item: item}).Claim(t.Context(), "x", "b", time.Minute)
		if err != nil {
			fuzz.Refused(t, err)
			return
		}
		want := map[string]dedup.State{"claimed": dedup.Busy, "done": dedup.Done}[backend.Text(item, "state")]
		if claim.State != want || claim.Left <= 0 {
			t.Fatalf("%+v of %s", claim, line)
		}
	})
}
