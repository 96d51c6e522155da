package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/aws"
	"github.com/postroom/postroom/backend/local"
	"github.com/postroom/postroom/consumer"
	"github.com/postroom/postroom/consumer/redrive"
)

// onQueue does something with the queue of the shell's file.
func (s *shell) onQueue(name string, do func(backend.Queue) error) {
	s.t.Helper()
	b, err := local.Open(s.path("postroom.db"), local.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	defer b.Close()
	if err := do(b.Queue(name)); err != nil {
		s.t.Fatal(err)
	}
}

// deadLetterAll lets every message of the queue fail until it is a dead letter.
func (s *shell) deadLetterAll() {
	s.t.Helper()
	s.onQueue(defaultQueue, func(q backend.Queue) error {
		for {
			got, err := q.Receive(s.t.Context(), backend.MaxQueueBatch, 0, time.Minute)
			if err != nil || len(got) == 0 {
				return err
			}
			changes := make([]backend.VisibilityChange, len(got))
			for i, d := range got {
				changes[i].Receipt = d.Receipt
			}
			if failed, err := q.ChangeVisibility(s.t.Context(), changes); err != nil || len(failed) > 0 {
				return errors.Join(err, fmt.Errorf("%v", failed))
			}
		}
	})
}

// deadLetters has two notifications for bob and one for chloe fail, and puts
// something beside them that is none.
func (s *shell) deadLetters() {
	s.t.Helper()
	for _, m := range []struct{ to, text string }{{bob, "one"}, {bob, "two"}, {chloe, "three"}} {
		s.ok("post", "--from", ada, "--to", m.to, "--message", m.text)
	}
	s.ok("project", "--until-idle", "--idle-after", "50ms")
	s.deadLetterAll()
	s.onQueue(postroom.DeadLetterQueue(defaultQueue), func(q backend.Queue) error {
		failed, err := q.Send(s.t.Context(), []backend.SendEntry{{Body: "none", GroupID: "x", DeduplicationID: "x"}})
		if len(failed) > 0 {
			err = failed[0]
		}
		return err
	})
}

// letters are the lines of redrive --json, and what it prints last.
func letters(t *testing.T, output string) (all []deadLetterJSON, counts redriveJSON) {
	t.Helper()
	begin := strings.LastIndex(strings.TrimSuffix(output, "\n"), "\n") + 1
	return lines[deadLetterJSON](t, output[:begin]), lines[redriveJSON](t, output[begin:])[0]
}

func TestQ16RedriveCommand(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.deadLetters()
	if out := s.ok("consume", "--until-idle", "--idle-after", "50ms"); out != "" {
		t.Fatalf("not dead: %s", out)
	}

	dryRun := s.run("redrive", "--dry-run", "--json")
	dry := dryRun.stdout
	if want := "4 dead letters are in postroom-notifications-dlq.fifo: looking at all of them, 100 a second at most, within about 1s\n"; dryRun.stderr != want {
		t.Errorf("announced %q, want %q", dryRun.stderr, want)
	}
	all, counts := letters(t, dry)
	if len(all) != 4 || counts != (redriveJSON{DryRun: true, Report: redrive.Report{Moved: 4}}) {
		t.Errorf("dry run: %s", dry)
	}
	ids := map[string]bool{}
	for _, l := range all {
		if l.Outcome != "would_move" || l.SentAt == "" || (l.ID == "") != (l.Recipient == "") {
			t.Errorf("dry run: %+v", l)
		}
		ids[l.ID] = true
	}
	if again := s.ok("redrive", "--dry-run", "--json"); again != dry {
		t.Errorf("a dry run changes something: %s, before %s", again, dry)
	}

	all, counts = letters(t, s.ok("redrive", "--json", "--max", "1", "--filter", "recipient="+bob,
		"--filter", "message_group_uuid="+postroom.PairUUID(ada, bob)))
	if len(all) != 1 || all[0].Outcome != "moved" || all[0].Recipient != bob || counts.Moved != 1 || !ids[all[0].ID] {
		t.Errorf("moved %+v, %+v", all, counts)
	}
	out := s.ok("redrive", "--filter", "id="+all[0].ID)
	if out != "0 moved, 3 left, 0 refused, 0 failed\n" {
		t.Errorf("of one that is back: %s", out)
	}
	out = s.ok("redrive", "--filter", "since=2026-01-01T00:00:00Z")
	if !strings.HasSuffix(out, "\n3 moved, 0 left, 0 refused, 0 failed\n") ||
		!strings.Contains(out, "not a notification, ") || !strings.Contains(out, "to "+chloe+", conversation ") {
		t.Errorf("the others: %s", out)
	}

	var told []string
	s.onQueue(defaultQueue, func(q backend.Queue) error {
		got, err := q.Receive(t.Context(), backend.MaxQueueBatch, 0, time.Second)
		for _, d := range got {
			n, _ := postroom.DecodeNotification(d.Body)
			told = append(told, n.Data.Preview)
			if n.ID != "" && !ids[n.ID] {
				t.Errorf("%s has another id now", d.Body)
			}
		}
		return err
	})
	if diff := cmp.Diff([]string{"one", "two", "three", ""}, told); diff != "" {
		t.Errorf("in the queue (-want +got):\n%s", diff)
	}
}

func TestQ16RedriveFilters(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 5, 21, 10, 30, 0, 0, time.UTC)
	m := postroom.Message{GroupUUID: postroom.PairUUID(ada, bob), MessageUUID: chloe, UserUUID: ada, CreatedAt: at}
	n := postroom.NewNotification("postroom", m, bob)
	d := backend.Delivery{MessageID: "m1", Body: n.Encode(), SentAt: at,
		Attributes: map[string]string{consumer.ReasonAttribute: "410 Gone"}}
	other := backend.Delivery{MessageID: "m2", Body: "no notification", SentAt: at.Add(time.Hour)}
	for _, c := range []struct {
		filters       string
		takes, others bool
	}{
		{"", true, true},
		{"recipient=" + bob, true, false},
		{"recipient=" + ada, false, false},
		{"message_group_uuid=" + m.GroupUUID, true, false},
		{"id=" + n.ID, true, false},
		{"id=m2", false, true},
		{"reason=410", true, false},
		{"reason=500", false, false},
		{"since=2026-05-21T10:30:00Z", true, true},
		{"since=2026-05-21T12:30:00.001+02:00", false, true},
		{"before=2026-05-21T10:30:00Z", false, false},
		{"before=2026-05-21T10:30:01Z", true, false},
		{"since=2026-05-21T10:00:00Z recipient=" + bob, true, false},
		{"reason=410 recipient=" + ada, false, false},
	} {
		f, err := parseFilters(strings.Fields(c.filters), parseLetterFilter)
		if err != nil || f(newLetter(d)) != c.takes || f(newLetter(other)) != c.others {
			t.Errorf("%q: %v, %v for the notification, %v for the other", c.filters, err, f(newLetter(d)), f(newLetter(other)))
		}
	}
}

func TestQ16RedriveOfNothing(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.failed("no data file", "redrive")
	s.ok("provision")
	if out := s.ok("redrive", "--json"); out != `{"dry_run":false,"moved":0,"left":0,"refused":0,"failed":0,"unseen":0}`+"\n" {
		t.Errorf("redrive printed %s", out)
	}
	s.failed("postroom provision", "redrive", "--queue", "other")
}

// A letter that stays is told with the reasons.
func TestQ16RedriveOutput(t *testing.T) {
	t.Parallel()
	one := redrive.Outcome{
		DeadLetter: backend.Delivery{MessageID: "m1", Body: "b", Attributes: map[string]string{consumer.ReasonAttribute: "410 <Gone>\x1b"}},
		State:      redrive.Refused, Redrives: 10, Err: errors.New("was redriven 10 times already"),
	}
	var out strings.Builder
	a := &app{process: process{stdout: &out}, global: &global{}}
	for _, json := range []bool{true, false} {
		a.json = json
		if err := a.printDeadLetter(one, true); err != nil {
			t.Error(err)
		}
	}
	want := `{"outcome":"refused","message_id":"m1","sent_at":"","redrives":10,"reason":"410 <Gone>\u001b","error":"was redriven 10 times already"}
refused       not a notification, m1: was redriven 10 times already; dead-lettered because: 410 <Gone>�
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("printed (-want +got):\n%s", diff)
	}
}

// On a server that speaks SQS's protocol, right after the first sending.
func TestQ16RedriveOnAWS(t *testing.T) {
	emulators.Start(t)
	s := newShell(t)
	s.env["POSTROOM_BACKEND"], s.env["POSTROOM_QUEUE"] = "aws", "redriven.fifo"
	s.ok("provision", "--deletion-protection=false")
	b, err := aws.Open(t.Context(), aws.Options{CallTimeout: callTimeout})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	queue, dead := b.Queue("redriven.fifo"), b.Queue(postroom.DeadLetterQueue("redriven.fifo"))
	for i := range 12 {
		e := []backend.SendEntry{{Body: fmt.Sprint(i), GroupID: fmt.Sprint(i % 3), DeduplicationID: fmt.Sprint(i)}}
		for _, q := range []backend.Queue{queue, dead} {
			if failed, err := q.Send(t.Context(), e); err != nil || len(failed) > 0 {
				t.Fatal(failed, err)
			}
		}
	}
	// At least the first one of each group; not every server hands out more.
	if all, counts := letters(t, s.ok("redrive", "--json", "--dry-run")); len(all) < 3 || len(all)+counts.Unseen != 12 {
		t.Errorf("a dry run shows %d dead letters: %+v", len(all), counts)
	}
	if _, counts := letters(t, s.ok("redrive", "--json")); counts.Moved != 12 {
		t.Errorf("moved %+v", counts)
	}
	if d, err := queue.Depth(t.Context()); err != nil || d.Visible != 24 {
		t.Errorf("in the queue: %+v, %v, want 24", d, err)
	}
	s.ok("destroy")
}
