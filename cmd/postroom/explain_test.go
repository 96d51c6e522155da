package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/local"
)

// explained runs explain, and expects it to say whether anything is missing.
func (s *shell) explained(complete bool, args ...string) explanation {
	s.t.Helper()
	r := s.run(append([]string{"explain", "--json"}, args...)...)
	var e explanation
	if err := json.Unmarshal([]byte(r.stdout), &e); err != nil {
		s.t.Fatalf("%v in %q; %s", err, r.stdout, r.stderr)
	}
	if want := map[bool]int{true: exitDone, false: exitDiffers}[complete]; r.code != want || e.Complete != complete {
		s.t.Errorf("exit code %d, complete is %v: %+v", r.code, e.Complete, e)
	}
	return e
}

// wantFinding expects a finding that holds a text.
func wantFinding(t *testing.T, e explanation, text string) {
	t.Helper()
	if all := strings.Join(e.Findings, "\n"); !strings.Contains(all, text) {
		t.Errorf("no finding has %q:\n%s", text, all)
	}
}

func TestExplainAMessageOnItsWay(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	var posted struct {
		Group   string `json:"message_group_uuid"`
		Message string `json:"message_uuid"`
	}
	out := s.ok("post", "--from", ada, "--to", bob, "--message", "Hello", "--json")
	if err := json.Unmarshal([]byte(out), &posted); err != nil {
		t.Fatal(err)
	}

	e := s.explained(false, posted.Group, posted.Message)
	if e.Opened || e.Message == nil || e.Message.Projected || e.Message.Record == nil || e.Message.Record.Passed {
		t.Errorf("before it is projected: %+v", e)
	}
	wantFinding(t, e, "the message is not projected yet")
	wantFinding(t, e, "nobody has read the shard")

	s.ok("project", "--until-idle", "--idle-after", "50ms", "--worker", "the first")
	e = s.explained(true, posted.Group, posted.Message)
	if text := s.ok("explain", posted.Group); e.MovedBy != "the first" || !strings.Contains(text, ", moved at "+e.MovedAt+" by the first\n") {
		t.Errorf("moved by %q\n%s", e.MovedBy, text)
	}
	if !e.Opened || e.Members != 2 || !e.Message.Projected || !e.Message.Record.Passed || e.Head != e.Newest || e.Head != e.Message.Key {
		t.Errorf("once it is projected: %+v", e)
	}
	id := postroom.NotificationID(postroom.Message{
		GroupUUID: posted.Group, MessageUUID: posted.Message, CreatedAt: timeOfKey(t, e.Message.Key),
	}, bob)
	if n := e.Message.Notifications; len(n) != 1 || n[0] != (explainedNotification{bob, id, "not_known"}) {
		t.Errorf("notifications: %+v", n)
	}

	s.ok("consume", "--until-idle", "--idle-after", "50ms", "--dedup", "table")
	e = s.explained(true, posted.Group, posted.Message)
	if n := e.Message.Notifications; len(n) != 1 || n[0].State != "handled" {
		t.Errorf("once it is delivered: %+v", n)
	}
	text := s.ok("explain", posted.Group, posted.Message)
	for _, want := range []string{"projected     up to MSG#", "record        shard ", "notification " + id + ": handled", "FINDING       nothing is missing"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if e := s.explained(true, posted.Group, posted.Message, "--reads", "0"); e.Message.Record != nil || e.Message.Searched {
		t.Errorf("without a search: %+v", e.Message)
	}
}

func timeOfKey(t *testing.T, key string) (at time.Time) {
	t.Helper()
	at, _, err := postroom.ParseMessageKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestExplainWhatIsMissing(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.ok("post", "--from", ada, "--to", bob, "--message", "Hello")
	s.pipeline()
	rows := lines[struct {
		Group     string `json:"message_group_uuid"`
		LastReply string `json:"last_reply_at"`
	}](t, s.ok("inbox", ada, "--json"))
	group := rows[0].Group
	e := s.explained(true, group)
	if e.Message != nil || len(e.Differences) != 0 {
		t.Errorf("%+v", e)
	}

	b, err := local.Open(s.path("postroom.db"), local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	key := backend.Key{PK: postroom.InboxKey(bob), SK: rows[0].LastReply + "#" + group}
	if _, _, err := b.Table("postroom").BatchWrite(t.Context(), []backend.Write{{Delete: key}}); err != nil {
		t.Fatal(err)
	}
	e = s.explained(false, group)
	if len(e.Differences) != 1 || e.Differences[0].Kind != "missing" || e.Differences[0].UserUUID != bob {
		t.Errorf("differences: %+v", e.Differences)
	}
	wantFinding(t, e, " verify --repair --group "+group)

	wantFinding(t, s.explained(false, group, ada), "the conversation has no message "+ada)
	wantFinding(t, s.explained(false, ada), "no message of this conversation is in the log")
	for _, args := range [][]string{{}, {"x"}, {group, "x"}, {group, ada, bob}, {group, "--reads", "-1"}} {
		if r := s.run(append([]string{"explain"}, args...)...); r.code != exitUsage {
			t.Errorf("%v: exit code %d: %s", args, r.code, r.stderr)
		}
	}
}

func TestExplainQuarantined(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.ok("post", "--from", ada, "--to", bob, "--message", "Hello")
	s.pipeline()
	group := lines[struct {
		Group string `json:"message_group_uuid"`
	}](t, s.ok("inbox", ada, "--json"))[0].Group
	s.run("post", "--from", "33333333-3333-4333-8333-333333333333", "--group", group, "--message", "I am nobody here")
	s.run("project", "--until-idle", "--idle-after", "50ms")
	e := s.explained(false, group)
	if len(e.Quarantined) != 1 {
		t.Fatalf("%+v", e)
	}
	wantFinding(t, e, "1 records are in quarantine")
}

// A notification that failed too often is found where it is, if that is asked for, and
// what is there stays as it is.
func TestExplainADeadLetter(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.deadLetters()
	all, _ := letters(t, s.ok("redrive", "--dry-run", "--json", "--filter", "recipient="+chloe))
	if len(all) != 1 {
		t.Fatalf("dead letters: %+v", all)
	}
	group := postroom.PairUUID(ada, chloe)
	message := messageOf(t, s, group)
	e := s.explained(true, group, message)
	if n := e.Message.Notifications; len(n) != 1 || n[0].State != "not_known" {
		t.Errorf("not looked for: %+v", n)
	}
	wantFinding(t, e, "4 dead letters are in postroom-notifications-dlq.fifo, and were not looked at")
	for range 2 {
		e = s.explained(false, group, message, "--dead-letters")
		if n := e.Message.Notifications; len(n) != 1 || n[0] != (explainedNotification{chloe, all[0].ID, "dead_letter"}) {
			t.Errorf("looked for: %+v", n)
		}
		wantFinding(t, e, "the notification of "+chloe+" is a dead letter: it failed too often; ")
		wantFinding(t, e, " redrive --filter id="+all[0].ID)
	}
	if r := s.run("explain", group, "--dead-letters"); r.code != exitUsage {
		t.Errorf("without a message: %+v", r)
	}
	s.ok("redrive", "--filter", "id="+all[0].ID)
	s.explained(true, group, message, "--dead-letters")
}

// messageOf is the uuid of the only message of a conversation.
func messageOf(t *testing.T, s *shell, group string) string {
	t.Helper()
	all := lines[postroom.Message](t, s.ok("messages", group, "--json"))
	if len(all) != 1 {
		t.Fatalf("messages: %+v", all)
	}
	return all[0].MessageUUID
}
