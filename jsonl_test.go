package postroom_test

import (
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/postroom/postroom"
)

const goodLine = `{"message_group_uuid":"0000000a-0000-4000-8000-000000000000",` +
	`"message_uuid":"0000000b-0000-4000-8000-000000000000","user_uuid":"00000001-0000-4000-8000-000000000000",` +
	`"display_name":"Person 1","handle":"p1","message":"hello","created_at":"2026-05-21T10:30:00.000000Z"}`

func TestMessagesAsJSON(t *testing.T) {
	t.Parallel()
	line, err := json.Marshal(messageBy(person(1)))
	if err != nil || string(line) != goodLine {
		t.Errorf("%v\n got %s\nwant %s", err, line, goodLine)
	}
	rapid.Check(t, func(t *rapid.T) {
		want := messages().Draw(t, "message")
		line, err := want.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(string(line), "\n\r") {
			t.Fatalf("more than one line: %q", line)
		}
		var got postroom.Message
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	})
}

func TestGroupsAsJSON(t *testing.T) {
	t.Parallel()
	m := messageBy(person(2))
	m.Text = "a < b & c > d"
	line, err := postroom.Groups(m, people(2))[0].MarshalJSON()
	want := `{"user_uuid":"00000001-0000-4000-8000-000000000000","last_reply_at":"2026-05-21T10:30:00.000000Z",` +
		`"message_group_uuid":"0000000a-0000-4000-8000-000000000000",` +
		`"other_user_uuid":"00000002-0000-4000-8000-000000000000","other_user_display_name":"Person 2",` +
		`"other_user_handle":"p2","member_count":2,"last_message_user_uuid":"00000002-0000-4000-8000-000000000000",` +
		`"last_message":"a < b & c > d"}`
	if err != nil || string(line) != want {
		t.Errorf("%v\n got %s\nwant %s", err, line, want)
	}
}

func TestBrokenLines(t *testing.T) {
	t.Parallel()
	edit := func(old, text string) string { return strings.Replace(goodLine, old, text, 1) }
	for name, c := range map[string]struct{ line, want string }{
		"no JSON":              {"hello", "invalid character"},
		"cut off":              {goodLine[:100], "unexpected EOF"},
		"not an object":        {`["a"]`, "it is a list, must be an object"},
		"null":                 {"null", "created_at"},
		"wrong type":           {edit(`"hello"`, `5`), `key "message": it is a number, must be a string`},
		"two values":           {goodLine + " " + goodLine, "more than one JSON value"},
		"a brace too many":     {goodLine + "}", "more than one JSON value"},
		"a bracket at the end": {goodLine + "]", "more than one JSON value"},
		"text at the end":      {goodLine + "x", "more than one JSON value"},
		"unknown field":        {edit(`"handle"`, `"handel"`), `key "handel": unknown key`},
		"not UTF-8":            {edit("hello", "a\xffb"), "not valid UTF-8"},
		"time missing":         {edit(`,"created_at":"2026-05-21T10:30:00.000000Z"`, ""), "created_at is missing or empty"},
		"bad time":             {edit("2026-05-21T", "21.5.2026 "), "created_at: time"},
		"bad uuid":             {edit(`"0000000a-`, `"grp#`), "message_group_uuid"},
		"members not known":    {edit(`"created_at"`, `"members":[{"user_uuid":"x"}],"created_at"`), "members[0]: user_uuid"},
		"unknown in members":   {edit(`"created_at"`, `"members":[{"nick":"x"}],"created_at"`), `key "members/0/nick": unknown key`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lines := readAll(t, strings.NewReader(goodLine+"\n"+c.line+"\n"+goodLine))
			if len(lines) != 3 || lines[0].err != nil || lines[2].err != nil || lines[2].Line != 3 {
				t.Fatalf("the lines around it: %v", lines)
			}
			var broken *postroom.LineError
			if !errors.As(lines[1].err, &broken) || broken.Line != 2 || !strings.Contains(broken.Error(), c.want) {
				t.Errorf("error %v, want line 2 and %q", lines[1].err, c.want)
			}
		})
	}
}

// What would be lost or replaced in silence is refused, with its line and key.
func TestF5LinesLoseNothing(t *testing.T) {
	t.Parallel()
	edit := func(old, text string) string { return strings.Replace(goodLine, old, text, 1) }
	for name, c := range map[string]struct{ line, want string }{
		"key twice":          {edit(`"message":"hello"`, `"message":"a","message":"b"`), `key "message": the key comes twice`},
		"key twice, escaped": {edit(`"message":"hello"`, `"message":"a","mess\u0061ge":"b"`), `key "message": the key comes twice`},
		"key twice, both null": {
			edit(`"message":"hello"`, `"message":"a","members":null,"members":null`), `key "members": the key comes twice`,
		},
		"members twice": {
			edit(`"message":"hello"`, `"message":"a","members":[{"handle":"a","handle":"b"}]`), `key "members/0/handle": the key comes twice`,
		},
		"in capitals":           {edit(`"message":`, `"Message":`), `key "Message": unknown key`},
		"also in capitals":      {edit(`"message":"hello"`, `"message":"a","MESSAGE":"b"`), `key "MESSAGE": unknown key`},
		"other letters":         {edit(`"message_uuid"`, `"me\u017fsage_uuid"`), "unknown key"},
		"half a pair":           {edit(`hello`, `a\ud83d`), `key "message": \ud83d is half of a surrogate pair`},
		"the other half":        {edit(`hello`, `\ude00b`), `key "message": \ude00 is half of a surrogate pair`},
		"halves in false order": {edit(`hello`, `\ude00\ud83d`), "half of a surrogate pair"},
		"half a pair in a name": {edit(`Person 1`, `\uD800`), `key "display_name": \uD800 is half`},
		"Latin-1":               {edit(`hello`, "caf\xe9"), `key "message": byte 221 is not valid UTF-8`},
		"surrogates in UTF-8":   {edit(`hello`, "\xed\xa0\xbd\xed\xb8\x80"), "not valid UTF-8"},
	} {
		lines := readAll(t, strings.NewReader(goodLine+"\n"+c.line+"\n"))
		var broken *postroom.LineError
		if len(lines) != 2 || !errors.As(lines[1].err, &broken) || broken.Line != 2 || !strings.Contains(broken.Error(), c.want) {
			t.Errorf("%s: error %v, want line 2 and %q", name, lines[1].err, c.want)
		}
	}
	lines := readAll(t, strings.NewReader(edit(`hello`, `\ud83d\ude00\ufffd`)))
	if len(lines) != 1 || lines[0].err != nil || lines[0].Text != "😀\ufffd" {
		t.Errorf("a whole pair: %+v", lines)
	}
	for _, edit := range []func(*postroom.Message){
		func(m *postroom.Message) { m.Text = "a\xff" },
		func(m *postroom.Message) { m.Members = []postroom.Member{{Handle: "\xed\xa0\x80"}} },
	} {
		m := messageBy(person(1))
		edit(&m)
		if line, err := m.MarshalJSON(); err == nil {
			t.Errorf("what is not UTF-8 became %s", line)
		}
	}
}

func TestLineEnds(t *testing.T) {
	t.Parallel()
	in := "\n" + goodLine + "\r\n  \t\r\n" + goodLine + "\n\n" + " " + goodLine + " "
	lines := readAll(t, iotest.OneByteReader(strings.NewReader(in)))
	var numbers []int
	for _, l := range lines {
		if l.err != nil {
			t.Error(l.err)
		}
		numbers = append(numbers, l.Line)
	}
	if !reflect.DeepEqual(numbers, []int{2, 4, 6}) {
		t.Errorf("lines %v, want 2, 4 and 6", numbers)
	}
}

func TestLongLines(t *testing.T) {
	t.Parallel()
	long := func(bytes int) string {
		return strings.Replace(goodLine, "hello", strings.Repeat("x", bytes-len(goodLine)+len("hello")), 1)
	}
	in := long(postroom.MaxLineBytes-1) + "\n" + long(postroom.MaxLineBytes+1) + "\n" + goodLine + "\n" + long(postroom.MaxLineBytes*2)
	lines := readAll(t, strings.NewReader(in))
	if len(lines) != 4 {
		t.Fatalf("%d lines, want 4", len(lines))
	}
	for i, tooLong := range []bool{false, true, false, true} {
		var broken *postroom.LineError
		if got := errors.As(lines[i].err, &broken); got != tooLong || got && broken.Line != i+1 {
			t.Errorf("line %d: %v", i+1, lines[i].err)
		}
	}
}

func TestReaderFails(t *testing.T) {
	t.Parallel()
	failed := errors.New("disk on fire")
	lines := readAll(t, io.MultiReader(strings.NewReader(goodLine+"\n"+goodLine[:20]), iotest.ErrReader(failed)))
	if len(lines) != 2 || lines[0].err != nil {
		t.Fatalf("lines %v", lines)
	}
	var broken *postroom.LineError
	if err := lines[1].err; !errors.Is(err, failed) || errors.As(err, &broken) {
		t.Errorf("error %v, want the reader's", err)
	}
}

func TestReadingStops(t *testing.T) {
	t.Parallel()
	for range postroom.ReadMessages(strings.NewReader(strings.Repeat(goodLine+"\n", 3))) {
		break
	}
	if lines := readAll(t, strings.NewReader("")); len(lines) != 0 {
		t.Errorf("lines %v of an empty file", lines)
	}
}

type line struct {
	postroom.NumberedMessage

	err error
}

func readAll(t *testing.T, r io.Reader) (lines []line) {
	t.Helper()
	for m, err := range postroom.ReadMessages(r) {
		lines = append(lines, line{m, err})
	}
	return lines
}
