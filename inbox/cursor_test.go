package inbox_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"iter"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/postroom/postroom/inbox"
)

func collect[T any](t *testing.T, seq iter.Seq2[T, error]) (all []T) {
	t.Helper()
	for v, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	return all
}

func firstError[T any](seq iter.Seq2[T, error]) error {
	for _, err := range seq {
		return err
	}
	return nil
}

// cursors makes one of Ann's list, one of conversation 7 and one of its May.
func cursors(t *testing.T, in *inbox.Inbox) (ofList, ofGroup, ofMay string) {
	t.Helper()
	list, err := in.Conversations(t.Context(), ann, inbox.PageOptions{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	group, err := in.Messages(t.Context(), id(7), "", inbox.PageOptions{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	may, err := in.Messages(t.Context(), id(7), "2026-05", inbox.PageOptions{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	return list.Cursor, group.Cursor, may.Cursor
}

func TestCursorsAreBoundToTheirList(t *testing.T) {
	t.Parallel()
	table := openTable(t)
	for at := range 3 {
		put(t, table, row(at+7, at), message(7, at).Item(), message(8, at).Item())
	}
	in := inbox.New(table)
	ofList, ofGroup, ofMay := cursors(t, in)
	conversations := func(user, cursor string) error {
		_, err := in.Conversations(t.Context(), user, inbox.PageOptions{Cursor: cursor})
		return err
	}
	messages := func(group int, since, cursor string) error {
		_, err := in.Messages(t.Context(), id(group), since, inbox.PageOptions{Cursor: cursor})
		return err
	}
	for name, err := range map[string]error{
		"its own": conversations(ann, ofList), "its own conversation": messages(7, "", ofGroup), "its own May": messages(7, "2026-05", ofMay),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"another user's":         {conversations(ben, ofList), "belongs to another user's list"},
		"another conversation's": {messages(8, "", ofGroup), "belongs to another conversation"},
		"of no time":             {messages(7, "2026-05", ofGroup), "belongs to another"},
		"of another time":        {messages(7, "2026", ofMay), "belongs to another"},
		"messages for a list":    {conversations(ann, ofGroup), "another kind of list"},
		"a list for messages":    {messages(7, "", ofList), "another kind of list"},
	} {
		if !errors.Is(c.err, inbox.ErrCursor) || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", name, c.err, c.want)
		}
	}
}

func TestDamagedCursors(t *testing.T) {
	t.Parallel()
	table := openTable(t)
	for at := range 3 {
		put(t, table, row(at+7, at), message(7, at).Item())
	}
	in := inbox.New(table)
	cursor, _, _ := cursors(t, in)
	if !regexp.MustCompile(`^[A-Za-z0-9_-]+$`).MatchString(cursor) {
		t.Errorf("%s does not fit a URL as it is", cursor)
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		t.Fatal(err)
	}
	damaged := []string{"x", "a cursor", cursor + "A", cursor + "=", cursor[1:], cursor[:len(cursor)-1], cursor[:8], " " + cursor}
	for n := range raw {
		damaged = append(damaged, base64.RawURLEncoding.EncodeToString(raw[:n]))
	}
	for i := range raw {
		flipped := append([]byte{}, raw...)
		flipped[i] ^= 1
		damaged = append(damaged, base64.RawURLEncoding.EncodeToString(flipped))
	}
	for _, c := range damaged {
		if c == "" {
			continue // from the newest
		}
		if _, err := in.Conversations(t.Context(), ann, inbox.PageOptions{Cursor: c}); !errors.Is(err, inbox.ErrCursor) {
			t.Errorf("%q: %v", c, err)
		}
	}
}

// TestCursorFormat: a cursor that a program has given out leads on in the next one, so
// one of another format has another version, which is said.
func TestCursorFormat(t *testing.T) {
	t.Parallel()
	table := openTable(t)
	for at := range 3 {
		put(t, table, row(at+7, at))
	}
	in := inbox.New(table)
	cursor, err := in.Conversations(t.Context(), ann, inbox.PageOptions{Limit: 1})
	if want := "AWNxDmREeguL-DIwMjYtMDUtMjFUMTA6MDI6MDAuMDAwMDAwWiMwMDAwMDAwOS0wMDAwLTQwMDAtODAwMC0wMDAwMDAwMDAwMDBl0ThT"; err != nil || cursor.Cursor != want {
		t.Fatalf("the cursor is %q, %v; want %q", cursor.Cursor, err, want)
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor.Cursor)
	if err != nil {
		t.Fatal(err)
	}
	for want, body := range map[string][]byte{
		"it has version 2, this program knows version 1": append([]byte{2}, raw[1:len(raw)-4]...),
		"it is not a cursor, or not a complete one":      raw[:10],
	} {
		sum := sha256.Sum256(body)
		c := base64.RawURLEncoding.EncodeToString(append(slices.Clone(body), sum[:4]...))
		_, err := in.Conversations(t.Context(), ann, inbox.PageOptions{Cursor: c})
		if !errors.Is(err, inbox.ErrCursor) || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}
