package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postroom/postroom"
)

// zipped is a text as a gzip file of one member.
func zipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	return b.String()
}

// numbered is a line with another uuid.
func numbered(t *testing.T, n int, change func(*postroom.Message)) string {
	t.Helper()
	return message(t, func(m *postroom.Message) {
		m.MessageUUID = fmt.Sprintf("aaaaaaaa-0000-4000-8000-%012d", n)
		m.Members = nil
		if change != nil {
			change(m)
		}
	})
}

func TestF3ARunThatReadNothingSaysSo(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	empty, dev := s.file("empty.jsonl", "\n"), []string{"dev", "--addr", "127.0.0.1:0", "--import"}
	for _, args := range [][]string{
		{"post", "--file", empty},
		append(dev, empty), // also without --until-idle
		append(dev, empty, "--until-idle"),
		append(dev, s.file("empty.gz", zipped(t, ""))),
	} {
		r := s.run(args...)
		if r.code != exitFailed || !strings.Contains(r.stderr, "nothing was imported") {
			t.Errorf("%v: %+v", args, r)
		}
	}
	s.stdin = message(t, nil)
	if r := s.run("dev", "--import", "-", "--import", "-"); r.code != exitUsage || !strings.Contains(r.stderr, "only once") {
		t.Errorf("standard input twice: %+v", r)
	}
}

func TestF4ByteOrderMark(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	const bom = "\ufeff"
	// One begins the file, and one a line where two files were joined.
	file := s.file("marked.jsonl", bom+message(t, nil)+bom+numbered(t, 2, nil))
	if out := s.ok("post", "--json", "--file", file); out != `{"stored":2,"already_there":0,"refused":0}`+"\n" {
		t.Errorf("posted %s", out)
	}
	members := s.file("members.json", bom+fmt.Sprintf(
		`[{"user_uuid":%q,"display_name":"Ada","handle":"@ada"},{"user_uuid":%q,"display_name":"Bob","handle":"@bob"}]`, ada, bob))
	s.ok("post", "--from", ada, "--members", members, "--message", "Hello")
}

func TestF4OrphanedLinesAreReportedAtOnce(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	opening := message(t, nil)
	for name, broken := range map[string]string{
		"by the producer": message(t, func(m *postroom.Message) { m.CreatedAt = m.CreatedAt.AddDate(900, 0, 0) }),
		"by its uuid":     strings.Replace(opening, `"message_uuid":"aaaaaaaa`, `"message_uuid":"AAAAAAAA`, 1),
		"as cut short":    opening[:len(opening)-3] + "\n",
	} {
		file := s.file("messages.jsonl", broken+numbered(t, 2, nil)+numbered(t, 3, nil))
		r := s.run("post", "--json", "--file", file)
		if r.code != exitFailed || !strings.HasSuffix(r.stdout, `"refused":1,"orphaned":2}`+"\n") {
			t.Errorf("refused %s: %+v", name, r)
		}
		for _, want := range []string{"messages.jsonl: line 1: ", "messages.jsonl: line 2: nobody sees this message", "line 1, which would open it, was refused"} {
			if !strings.Contains(r.stderr, want) {
				t.Errorf("refused %s, without %q:\n%s", name, want, r.stderr)
			}
		}
		if strings.Contains(r.stderr, "line 3") {
			t.Errorf("refused %s: every line of the conversation is named:\n%s", name, r.stderr)
		}
	}
	// A broken line orphans no other where another one opens the conversation.
	file := s.file("messages.jsonl", opening+opening[:len(opening)-3]+"\n"+numbered(t, 2, nil))
	if r := s.run("post", "--json", "--file", file); r.code != exitFailed || strings.Contains(r.stdout+r.stderr, "orphaned") || strings.Contains(r.stderr, "nobody") {
		t.Errorf("opened by another line: %+v", r)
	}
}

func TestF13GzipAsGzipReadsIt(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	one, two := zipped(t, message(t, nil)), zipped(t, numbered(t, 2, nil))
	for name, text := range map[string]string{
		"padding":                 one + two + strings.Repeat("\x00", 100_000),
		"two members":             one + two,
		"padding between":         one + "\x00\x00" + two,
		"an empty member at last": one + two + zipped(t, ""),
	} {
		s = newShell(t)
		if out := s.ok("post", "--json", "--file", s.file("messages.gz", text)); !strings.HasPrefix(out, `{"stored":2,`) {
			t.Errorf("%s: %s", name, out)
		}
	}
	for want, text := range map[string]string{
		"is not compressed": one + "trailing",
		"unexpected EOF":    one + two[:len(two)/2],
		"invalid checksum":  one[:len(one)-5] + "\x01" + one[len(one)-4:],
	} {
		if r := s.run("post", "--file", s.file("messages.gz", text)); r.code != exitFailed || !strings.Contains(r.stderr, want) {
			t.Errorf("%s: %+v", want, r)
		}
	}
}

func TestF13NotLineByLine(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	one := strings.TrimSpace(message(t, nil))
	s.failed("line 1: this is a JSON array, not JSON Lines", "post", "--file", s.file("array.json", "["+one+"]"))
	s.failed("line 2: this is a JSON array", "post", "--file", s.file("array.json", "\n \ufeff[\n"+one+"\n]\n"))
	s.failed("line 1: this is a JSON array", "post", "--file",
		s.file("array.json", " ["+one+strings.Repeat(","+one, postroom.MaxLineBytes/len(one)+1)+"]"))
	s.failed("this is UTF-16", "post", "--file", s.file("utf16.jsonl", "\xff\xfe{\x00"))
	s.ok("provision")
	if out := s.ok("messages", postroom.PairUUID(ada, bob)); out != "" {
		t.Errorf("the log has %s", out)
	}
}

func TestF13AListThatIsPostedBack(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.ok("post", "--file", s.file("messages.jsonl", manyMessages(t, 3)))
	list := s.ok("messages", postroom.PairUUID(ada, bob), "--json", "--limit", "2")
	if strings.Count(list, "\n") != 3 {
		t.Fatalf("the list has %s", list)
	}
	s = newShell(t)
	r := s.run("post", "--json", "--file", s.file("list.jsonl", list))
	if r.code != exitDone || r.stdout != `{"stored":2,"already_there":0,"refused":0}`+"\n" ||
		!strings.Contains(r.stderr, "list.jsonl: line 3: a list that was cut ends here") {
		t.Errorf("posted back: %+v", r)
	}
}

func TestF13EqualTimesAreOrderedByUUID(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	text := message(t, nil) + numbered(t, 9, nil) + numbered(t, 3, nil) + numbered(t, 5, nil) + numbered(t, 10, nil)
	r := s.run("post", "--json", "--file", s.file("messages.jsonl", text))
	if r.code != exitDone || r.stdout != `{"stored":5,"already_there":0,"refused":0,"reordered":2}`+"\n" {
		t.Errorf("%+v", r)
	}
	const want = "line 3 has the same time as line 2, and comes before it: messages of one time are ordered by their message_uuid\n"
	if !strings.Contains(r.stderr, want) || strings.Contains(r.stderr, "line 4") || !strings.Contains(r.stderr, ": 2 lines in all") {
		t.Errorf("stderr: %s", r.stderr)
	}
}

// A small input cannot make the program print without end: not by the number of its
// lines, and not by their length.
func TestF19RefusalsAreBounded(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	long := strings.Replace(message(t, nil), `"message_uuid":"`, `"message_uuid":"`+strings.Repeat("\\n", 1<<20), 1)
	text := message(t, nil) + long + strings.Repeat("{\n", 10_000) + numbered(t, 2, nil)
	for _, args := range [][]string{
		{"post", "--file", s.file("broken.gz", zipped(t, text))},
		{"dev", "--until-idle", "--idle-after", "50ms", "--addr", "127.0.0.1:0", "--import", s.path("broken.gz")},
	} {
		r := s.run(args...)
		if r.code != exitFailed || len(r.stderr) > 64<<10 {
			t.Errorf("%v: exit code %d, %d bytes on stderr", args, r.code, len(r.stderr))
		}
		if n := strings.Count(r.stderr, "broken.gz: line "); n != maxReported {
			t.Errorf("%v: %d lines are reported", args, n)
		}
		if !strings.Contains(r.stderr, "9,901 more refused lines of "+s.path("broken.gz")+" are not shown\n") ||
			!strings.Contains(r.stderr, "10,001 lines were refused") {
			t.Errorf("%v: no sum: %s", args, r.stderr[max(0, len(r.stderr)-1000):])
		}
	}
}

// A picture without a word is a message: it has its place in the conversation, moves
// it to the top of every list, and is announced.
func TestF4MessageWithoutText(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	text := message(t, func(m *postroom.Message) { m.Text = "" }) + numbered(t, 2, func(m *postroom.Message) {
		m.Text, m.CreatedAt = "", m.CreatedAt.Add(time.Second)
	})
	s.ok("post", "--file", s.file("pictures.jsonl", text))
	told := lines[postroom.Notification](t, s.pipeline())
	if len(told) != 2 || told[0].Data.Preview != "" || told[0].Subject != bob {
		t.Errorf("notifications %+v", told)
	}
	if out := s.ok("inbox", bob, "--json"); !strings.Contains(out, `"last_reply_at":"2026-05-21T10:30:01.000000Z"`) || !strings.Contains(out, `"last_message":""}`) {
		t.Errorf("inbox printed %s", out)
	}
	if out := s.ok("messages", postroom.PairUUID(ada, bob), "--json"); strings.Count(out, `"message":""`) != 2 {
		t.Errorf("messages printed %s", out)
	}
	if out := s.ok("verify"); !strings.HasSuffix(out, ": 0 differences\n") {
		t.Errorf("verify printed %s", out)
	}
	// A text that is not there is a mistake, and so is an empty one on a command line.
	without := strings.Replace(message(t, nil), `"message":"How are you?",`, "", 1)
	if r := s.run("post", "--file", s.file("without.jsonl", without)); r.code != exitFailed || !strings.Contains(r.stderr, "line 1: message is missing") {
		t.Errorf("without a text: %+v", r)
	}
	if r := s.run("post", "--from", ada, "--to", bob, "--message", ""); r.code != exitUsage {
		t.Errorf("--message '': %+v", r)
	}
}

// A copy of the data file takes everything back to its moment. What was posted later
// is posted again, and nothing is there twice.
func TestF13RestoreOfALocalFile(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	all := manyMessages(t, 20)
	early := strings.Join(strings.SplitAfter(all, "\n")[:10], "")
	s.ok("post", "--file", s.file("early.jsonl", early))
	s.ok("project", "--until-idle", "--idle-after", "50ms")
	backup, err := os.ReadFile(s.path("postroom.db")) // nobody has it open, so there is no -wal
	if err != nil {
		t.Fatal(err)
	}
	s.ok("post", "--file", s.file("all.jsonl", all))
	before := lines[postroom.Notification](t, s.pipeline())
	inbox := s.ok("inbox", "--all", "--json")

	s.file("postroom.db", string(backup))
	if out := s.ok("post", "--json", "--file", s.path("all.jsonl")); out != `{"stored":10,"already_there":10,"refused":0}`+"\n" {
		t.Errorf("posted again: %s", out)
	}
	after := lines[postroom.Notification](t, s.pipeline())
	if out := s.ok("inbox", "--all", "--json"); out != inbox {
		t.Errorf("the inbox has %s, had %s", out, inbox)
	}
	if out := s.ok("verify"); !strings.HasSuffix(out, ": 0 differences\n") {
		t.Errorf("verify printed %s", out)
	}
	ids := func(all []postroom.Notification) (ids []string) {
		for _, n := range all {
			ids = append(ids, n.ID)
		}
		slices.Sort(ids)
		return slices.Compact(ids)
	}
	if a, b := ids(before), ids(after); len(a) != 20 || !slices.Equal(a, b) {
		t.Errorf("%d notifications before, %d after", len(a), len(b))
	}
}
