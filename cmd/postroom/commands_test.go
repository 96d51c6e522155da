package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postroom/postroom"
)

func TestPostProjectConsumeRead(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	posted := lines[postroom.Message](t, s.ok("post", "--json", "--from", ada, "--name", "Ada",
		"--to", bob, "--to-name", "Bob", "--message", "Hello <Bob> & all"))[0]
	if posted.GroupUUID != postroom.PairUUID(ada, bob) || len(posted.Members) != 2 {
		t.Errorf("posted %+v", posted)
	}
	reply := s.ok("post", "--from", bob, "--name", "Bob", "--group", posted.GroupUUID, "--message", "Hi Ada")
	if !strings.Contains(reply, posted.GroupUUID) || !strings.Contains(reply, "Hi Ada") {
		t.Errorf("post printed %s", reply)
	}

	told := map[string]string{}
	for _, n := range lines[postroom.Notification](t, s.pipeline()) {
		told[n.Subject] = n.Data.Preview
	}
	if diff := cmp.Diff(map[string]string{ada: "Hi Ada", bob: "Hello <Bob> & all"}, told); diff != "" {
		t.Errorf("notifications (-want +got):\n%s", diff)
	}

	list := s.ok("inbox", ada, "--json")
	var row struct {
		User, Last, Other string
		Members           int `json:"member_count"`
	}
	if err := json.Unmarshal([]byte(list), &row); err != nil || row.Members != 2 {
		t.Errorf("inbox --json printed %s (%v)", list, err)
	}
	for _, want := range []string{`"other_user_display_name":"Bob"`, `"last_message":"Hi Ada"`, `"user_uuid":"` + ada} {
		if !strings.Contains(list, want) {
			t.Errorf("inbox --json lacks %s: %s", want, list)
		}
	}
	if table := s.ok("inbox", bob); !strings.Contains(table, "Ada") || !strings.Contains(table, "LAST REPLY") {
		t.Errorf("inbox printed %s", table)
	}
	if n := strings.Count(s.ok("inbox", "--all", "--json"), "\n"); n != 2 {
		t.Errorf("inbox --all has %d rows", n)
	}

	messages := s.ok("messages", posted.GroupUUID, "--json")
	if i, j := strings.Index(messages, "Hi Ada"), strings.Index(messages, "Hello <Bob> & all"); i < 0 || j < i {
		t.Errorf("messages are not newest first, or escaped: %s", messages)
	}
	if out := s.ok("messages", posted.GroupUUID, "--since", "1999"); out != "" {
		t.Errorf("messages of 1999: %s", out)
	}
	if out := s.ok("verify"); !strings.HasSuffix(out, ": 0 differences\n") {
		t.Errorf("verify printed %s", out)
	}
}

func TestPostAgainChangesNothing(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	args := []string{
		"post", "--json", "--from", ada, "--to", bob, "--message", "once",
		"--message-uuid", "aaaaaaaa-0000-4000-8000-000000000001", "--created-at", "2026-05-21T12:30:00+02:00",
	}
	first := s.ok(args...)
	again := s.run(args...)
	if again.code != exitDone || again.stdout != first || !strings.Contains(again.stderr, "nothing changed") {
		t.Errorf("again: %+v, first %s", again, first)
	}
	if !strings.Contains(first, `"created_at":"2026-05-21T10:30:00.000000Z"`) {
		t.Errorf("stored %s", first)
	}
	args[7] = "something else"
	if r := s.run(args...); r.code != exitFailed || !strings.Contains(r.stderr, "another message") {
		t.Errorf("other content: %+v", r)
	}
}

func TestPostToMany(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	members := s.file("members.json", fmt.Sprintf(
		`[{"user_uuid":%q,"display_name":"Ada","handle":"@ada"},{"user_uuid":%q,"display_name":"Bob","handle":"@bob"},
		  {"user_uuid":%q,"display_name":"Chloe","handle":"@chloe"}]`, ada, bob, chloe))
	m := lines[postroom.Message](t, s.ok("post", "--json", "--from", bob, "--members", members, "--message", "All here?"))[0]
	if m.DisplayName != "Bob" || len(m.Members) != 3 {
		t.Errorf("posted %+v", m)
	}
	if n := strings.Count(s.pipeline(), "\n"); n != 2 {
		t.Errorf("%d notifications, want 2", n)
	}
	if out := s.ok("inbox", chloe); !strings.Contains(out, "Ada, Bob (3)") {
		t.Errorf("inbox printed %s", out)
	}
}

func TestPostFile(t *testing.T) {
	t.Parallel()
	text := message(t, nil) + "\n" + message(t, func(m *postroom.Message) {
		m.MessageUUID, m.Members = "aaaaaaaa-0000-4000-8000-000000000002", nil
	})
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	if _, err := z.Write([]byte(text)); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	const want = `{"stored":2,"already_there":0,"refused":0}` + "\n"
	s := newShell(t)
	if got := s.ok("post", "--json", "--file", s.file("plain", text)); got != want {
		t.Errorf("plain file: %s", got)
	}
	if got := s.ok("post", "--json", "--file", s.file("zipped", zipped.String())); got != `{"stored":0,"already_there":2,"refused":0}`+"\n" {
		t.Errorf("the same, gzip'ed: %s", got)
	}
	s = newShell(t)
	s.stdin = zipped.String()
	if got := s.ok("post", "--json", "--file", "-"); got != want {
		t.Errorf("standard input: %s", got)
	}
}

func TestPagesAndCursors(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	for i, to := range []string{bob, chloe} {
		s.ok("post", "--from", ada, "--to", to, "--message", fmt.Sprint(i))
	}
	s.ok("project", "--until-idle", "--idle-after", "50ms")
	first := strings.Split(s.ok("inbox", ada, "--json", "--limit", "1"), "\n")
	var next nextCursor
	if len(first) != 3 || json.Unmarshal([]byte(first[1]), &next) != nil || next.NextCursor == "" {
		t.Fatalf("first page: %q", first)
	}
	second := s.ok("inbox", ada, "--json", "--limit", "2", "--cursor", next.NextCursor)
	if strings.Count(second, "\n") != 1 || !strings.Contains(second, `"last_message":"0"`) {
		t.Errorf("second page: %s", second)
	}
	if r := s.run("inbox", ada, "--limit", "1"); !strings.Contains(r.stderr, next.NextCursor) {
		t.Errorf("no cursor for people: %+v", r)
	}
	if r := s.run("inbox", bob, "--cursor", next.NextCursor); r.code != exitUsage || r.stdout != "" {
		t.Errorf("cursor of another user: %+v", r)
	}
}

func TestProvisionStatusDestroy(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	if out := s.ok("provision", "--json"); !strings.HasPrefix(out, `{"created":["table postroom","table postroom-control",`) {
		t.Errorf("provision printed %s", out)
	}
	if out := s.ok("provision"); strings.Contains(out, "created") {
		t.Errorf("provision again printed %s", out)
	}
	var status statusJSON
	if err := json.Unmarshal([]byte(s.ok("status", "--json")), &status); err != nil {
		t.Fatal(err)
	}
	if len(status.Shards) == 0 || status.Leader != nil || status.Queue.Name != defaultQueue || !status.Enabled {
		t.Errorf("status %+v", status)
	}
	s.ok("post", "--from", ada, "--to", bob, "--message", "Hello")
	s.ok("project", "--until-idle", "--idle-after", "50ms")
	if out := s.ok("status"); !strings.Contains(out, ": 1 visible") {
		t.Errorf("status printed %s", out)
	}
	s.ok("destroy")
	if r := s.run("inbox", ada); r.code != exitFailed || !strings.Contains(r.stderr, "postroom provision") {
		t.Errorf("inbox without a table: %+v", r)
	}
	if r := s.run("provision", "--deletion-protection"); r.code != exitDone {
		t.Errorf("provision: %+v", r)
	}
	if r := s.run("destroy"); r.code != exitFailed || !strings.Contains(r.stderr, "--lift-protection") || r.stdout != "" {
		t.Errorf("destroy of a protected table: %+v", r)
	}
	s.ok("inbox", ada) // all is still there
	if out := s.ok("destroy", "--lift-protection"); !strings.Contains(out, "removed  table postroom-control\n") {
		t.Errorf("destroy --lift-protection printed %s", out)
	}
}

func TestVerifyFindsDifferences(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.ok("post", "--from", ada, "--to", bob, "--message", "Hello")
	r := s.run("verify", "--json") // nothing was projected yet
	if r.code != exitDiffers || !strings.Contains(r.stdout, `"kind":"head_missing"`) || !strings.Contains(r.stdout, `"differences":1`) {
		t.Errorf("verify: %+v", r)
	}
}

func TestQuarantineIsAFailure(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.ok("post", "--from", ada, "--to", bob, "--message", "Hello")
	s.ok("post", "--from", chloe, "--group", postroom.PairUUID(ada, bob), "--message", "I am no member")
	r := s.run("project", "--until-idle", "--idle-after", "50ms")
	if r.code != exitFailed || !strings.Contains(r.stderr, "1 records could not be processed") {
		t.Errorf("project: %+v", r)
	}
	s.ok("project", "--until-idle", "--idle-after", "50ms")
}

// TestF4F14WhatNoInboxShowsIsADifference: a stranger's message in a pair's conversation,
// and messages whose conversation nobody has opened.
func TestF4F14WhatNoInboxShowsIsADifference(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.ok("post", "--from", ada, "--to", bob, "--message", "Hello")
	s.ok("post", "--from", chloe, "--group", postroom.PairUUID(ada, bob), "--message", "I am no member")
	s.ok("post", "--from", chloe, "--group", "f47ac10b-58cc-4372-a567-0e02b2c3d479", "--message", "Anybody there?")
	s.run("project", "--until-idle", "--idle-after", "50ms")
	r := s.run("verify")
	for _, want := range []string{
		"not_shown: conversation " + postroom.PairUUID(ada, bob) + ", " + postroom.PairUUID(ada, bob) + " MSG#", ": messages that no inbox shows: 1, such as MSG#", "not a member",
		"stranded: conversation f47ac10b-", "no message of the conversation names its members", ": 2 differences\n2 messages are shown in no inbox\n",
	} {
		if r.code != exitDiffers || !strings.Contains(r.stdout, want) {
			t.Errorf("verify: %+v, want %q", r, want)
		}
	}
}

// TestF14PostRefusesAClaim to the conversation of two other people, whichever way it is
// made, and stores nothing; a conversation of several gets an id that is nobody's.
func TestF14PostRefusesAClaim(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	pair := postroom.PairUUID(ada, bob)
	s.failed(pair, "post", "--from", chloe, "--to", ada, "--to", bob, "--group", pair, "--message", "x")
	s.failed(pair, "post", "--from", chloe, "--to", ada, "--group", pair, "--message", "x")
	claim := message(t, func(m *postroom.Message) {
		m.UserUUID, m.MessageUUID = chloe, chloe
		m.Members = append(m.Members, postroom.Member{UserUUID: chloe, DisplayName: "Chloe", Handle: "@chloe"})
	})
	r := s.run("post", "--json", "--file", s.file("claim.jsonl", claim+message(t, nil)))
	if r.code != exitFailed || r.stdout != `{"stored":1,"already_there":0,"refused":1}`+"\n" || !strings.Contains(r.stderr, "line 1: ") || !strings.Contains(r.stderr, "names 3 members") {
		t.Errorf("%+v", r)
	}
	s.pipeline()
	if out := s.ok("inbox", chloe, "--json"); out != "" {
		t.Errorf("the claimant sees %s", out)
	}
	s.ok("verify")
}

func TestStandardQueueWithoutIndex(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.env["POSTROOM_QUEUE"] = "bell"
	s.ok("provision", "--index", "none")
	s.ok("post", "--file", s.file("messages.jsonl", manyMessages(t, 20)))
	if n := strings.Count(s.pipeline(), "\n"); n != 20 {
		t.Errorf("%d notifications, want 20", n)
	}
	s.ok("verify")
}
