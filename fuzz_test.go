package postroom_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/fuzz"
)

// checkMessage checks that a message that was accepted is valid, and comes back the
// same by either way.
func checkMessage(t *testing.T, m postroom.Message) {
	t.Helper()
	if err := m.Validate(); err != nil {
		t.Fatal(err)
	}
	line, err := m.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var back postroom.Message
	if err := back.UnmarshalJSON(line); err != nil || !reflect.DeepEqual(back, m) {
		t.Fatalf("%v\n got %+v\nwant %+v", err, back, m)
	}
	stored, err := postroom.MessageFromItem(m.Item())
	if err != nil || !reflect.DeepEqual(stored, m) {
		t.Fatalf("%v\n got %+v\nwant %+v", err, stored, m)
	}
	members := m.Members
	if members == nil {
		members = people(2)
	}
	for _, g := range postroom.Groups(m, members) {
		if size := backend.ItemBytes(g.Item()); size > 1<<10 {
			t.Fatalf("an inbox entry of %d bytes: %+v", size, g)
		}
		back, err := postroom.GroupFromItem(g.Item())
		if err != nil || back != g {
			t.Fatalf("%v\n got %+v\nwant %+v", err, back, g)
		}
	}
	n := postroom.NewNotification("t", m, members[0].UserUUID)
	if back, err := postroom.DecodeNotification(n.Encode()); err != nil || back != n {
		t.Fatalf("%v\n got %+v\nwant %+v", err, back, n)
	}
}

// A line is refused, or it is a message that says what the line says: another reader
// of JSON finds the same in it, and nothing else.
func FuzzMessageLine(f *testing.F) {
	opening := messageBy(person(1))
	opening.Members = people(3)
	line, err := opening.MarshalJSON()
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(goodLine))
	f.Add(line)
	f.Fuzz(func(t *testing.T, line []byte) {
		var m postroom.Message
		if err := m.UnmarshalJSON(line); err != nil {
			fuzz.Refused(t, err)
			return
		}
		checkMessage(t, m)
		var plain map[string]any
		if err := json.Unmarshal(line, &plain); err != nil {
			t.Fatal(err)
		}
		members, _ := plain["members"].([]any)
		delete(plain, "members")
		delete(plain, "created_at")
		want := map[string]any{
			"message_group_uuid": m.GroupUUID, "message_uuid": m.MessageUUID, "user_uuid": m.UserUUID,
			"display_name": m.DisplayName, "handle": m.Handle, "message": m.Text,
		}
		if !reflect.DeepEqual(plain, want) || len(members) != len(m.Members) {
			t.Fatalf("the line says %v and %v, the message is %+v", plain, members, m)
		}
	})
}

// Whatever a file holds: each line is a message, empty, or refused with its number,
// and the messages are those of a file that has them alone.
func FuzzReadMessages(f *testing.F) {
	f.Add([]byte(goodLine + "\n\n" + goodLine + "\r\n{\"next_cursor\":\"AWM\"}\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		var messages []postroom.Message
		var again bytes.Buffer
		last, ended := 0, false
		for m, err := range postroom.ReadMessages(bytes.NewReader(file)) {
			if ended {
				t.Fatal("it goes on after an error that is not of a line")
			}
			number := m.Line
			var broken *postroom.LineError
			switch {
			case errors.As(err, &broken):
				number = broken.Line
				fuzz.Refused(t, err)
			case err != nil:
				fuzz.Refused(t, err)
				ended = true
				continue
			default:
				checkMessage(t, m.Message)
				messages = append(messages, m.Message)
				line, _ := m.MarshalJSON()
				again.Write(append(line, '\n'))
			}
			if number <= last || number > 1+bytes.Count(file, []byte("\n")) {
				t.Fatalf("line %d after line %d", number, last)
			}
			last = number
		}
		i := 0
		for m, err := range postroom.ReadMessages(&again) {
			if err != nil || !reflect.DeepEqual(m.Message, messages[i]) {
				t.Fatalf("%v\n got %+v\nwant %+v", err, m, messages[i])
			}
			i++
		}
		if i != len(messages) {
			t.Fatalf("%d messages came back of %d", i, len(messages))
		}
	})
}

// A time is refused, or it is what other readers of RFC 3339 take it for, comes back
// the same, and is not the time that is missing.
func FuzzTime(f *testing.F) {
	f.Add("2026-05-21T12:30:00.123456+02:00")
	f.Add("2016-12-31T23:59:60Z")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := postroom.ParseAnyTime(s)
		stored, storedErr := postroom.ParseTime(s)
		if storedErr == nil && (postroom.FormatTime(stored) != s || err == nil && got != stored) {
			t.Fatalf("%q is %s, and stored as %s", s, got, stored)
		}
		if err != nil {
			fuzz.Refused(t, err)
			return
		}
		if plain, err := time.Parse(time.RFC3339Nano, s); err == nil && !got.Equal(postroom.RoundTime(plain)) {
			t.Fatalf("%q is %s, to others %s", s, got, plain)
		}
		text := postroom.FormatTime(got)
		back, err := postroom.ParseTime(text)
		if err != nil || back != got || got.IsZero() || len(text) != len(postroom.TimeLayout) {
			t.Fatalf("%q is %s, which comes back as %s, %v", s, text, back, err)
		}
		if again, err := postroom.ParseAnyTime(text); err != nil || again != got {
			t.Fatalf("%s is taken for %s, %v", text, again, err)
		}
	})
}

// An item is refused, or it is a message that is stored as that item again.
func FuzzMessageItem(f *testing.F) {
	opening := messageBy(person(1))
	opening.Members = people(2)
	fuzz.Items(f, func(it backend.Item) (backend.Item, error) {
		m, err := postroom.MessageFromItem(it)
		again := m.Item()
		if len(m.Members) > 0 {
			again["members"] = it["members"] // of which a later version may know more
		}
		return again, err
	}, messageBy(person(1)).Item(), opening.Item())
}

// An item is refused, or it is an inbox entry that is stored as that item again.
func FuzzInboxEntry(f *testing.F) {
	fuzz.Items(f, func(it backend.Item) (backend.Item, error) {
		g, err := postroom.GroupFromItem(it)
		return g.Item(), err
	}, postroom.Groups(messageBy(person(1)), people(2))[0].Item(), postroom.Groups(messageBy(person(1)), people(3))[0].Item())
}

// A body is refused, or it is a notification that comes back the same.
func FuzzNotification(f *testing.F) {
	f.Add(postroom.NewNotification("postroom", messageBy(person(1)), id(2)).Encode())
	f.Fuzz(func(t *testing.T, body string) {
		n, err := postroom.DecodeNotification(body)
		if err != nil {
			fuzz.Refused(t, err)
			return
		}
		again := n.Encode()
		if back, err := postroom.DecodeNotification(again); err != nil || back != n {
			t.Fatalf("%v\n got %+v\nwant %+v", err, back, n)
		}
		if most := 1000 + 6*len(body); len(again) > most {
			t.Fatalf("%d bytes became %d", len(body), len(again))
		}
	})
}
