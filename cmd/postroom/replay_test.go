package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/local"
	"github.com/postroom/postroom/consumer"
	"github.com/postroom/postroom/internal/batch"
)

// postAt posts n messages of ada to bob, a second apart, that were written hours ago.
func (s *shell) postAt(hoursAgo, n int) {
	s.t.Helper()
	var all strings.Builder
	at := time.Now().UTC().Truncate(time.Second).Add(-time.Duration(hoursAgo) * time.Hour)
	for i := range n {
		all.WriteString(message(s.t, func(m *postroom.Message) {
			m.MessageUUID = fmt.Sprintf("aaaaaaaa-0000-4000-8000-%04d%08d", hoursAgo, i)
			m.CreatedAt = at.Add(time.Duration(i) * time.Second)
			m.Text = fmt.Sprintf("%d hours ago, %d", hoursAgo, i)
		}))
		all.WriteString("\n")
	}
	s.ok("post", "--file", s.file(fmt.Sprintf("%d.jsonl", hoursAgo), all.String()))
}

// TestReplaySilent projects what is missing, once, and notifies nobody.
func TestReplaySilent(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.postAt(5, 10)
	s.postAt(2, 20)
	s.pipeline()
	s.onTable(defaultTable, func(ctx context.Context, table backend.Table) error {
		_, _, err := table.BatchWrite(ctx, []backend.Write{{Delete: backend.Key{PK: postroom.PairUUID(ada, bob), SK: postroom.HeadKey}}})
		return err
	})
	dry := s.run("replay", "--from", "3h", "--dry-run", "--json")
	if dry.code != exitDone || !strings.Contains(dry.stdout, `"dry_run":true`) || !strings.Contains(dry.stdout, `"total":20,"replayed":0`) {
		t.Errorf("dry run: %+v", dry)
	}
	if list := s.ok("replay", "list", "--json"); list != "" {
		t.Errorf("a dry run leaves %s", list)
	}
	r := s.run("replay", "--from", "3h", "--name", "one", "--json")
	one := lines[replayJSON](t, r.stdout)
	if r.code != exitDone || len(one) != 1 || one[0].State != "done" || one[0].Total != 20 || one[0].Replayed != 20 || one[0].Projected != 20 || one[0].Notified != 0 {
		t.Errorf("replay: %+v", r)
	}
	if !strings.Contains(r.stderr, "replay one: 20 messages from 2") || !strings.Contains(r.stderr, ", through the log, 500 a second at most, in about 1s; nobody is notified\n") ||
		!strings.Contains(r.stderr, "replay resume one` goes on with it.\n") {
		t.Errorf("announced: %s", r.stderr)
	}
	if told := s.pipeline(); told != "" {
		t.Errorf("notified: %s", told)
	}
	if list := s.ok("inbox", bob); !strings.Contains(list, "2 hours ago, 19") {
		t.Errorf("inbox printed %s", list)
	}
	if r := s.run("replay", "--from", "3h", "--name", "one"); r.code != exitDone || !strings.Contains(r.stderr, "The replay one is done") {
		t.Errorf("again: %+v", r)
	}
	if r := s.run("replay", "--from", "4h", "--name", "one"); r.code != exitUsage || !strings.Contains(r.stderr, "with another --from") {
		t.Errorf("another one: %+v", r)
	}
	if list := s.ok("replay", "list"); !strings.HasPrefix(list, "done     one  20 of 20 messages replayed through the log") {
		t.Errorf("list: %s", list)
	}
}

// TestReplayNotify: a receiver that lost what it was given in three hours gets exactly
// that, once, whatever is begun, resumed or sent again, through queue, deduplication and
// sink.
func TestReplayNotify(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.postAt(5, 10)
	s.postAt(2, 20)
	s.ok("post", "--from", chloe, "--to", dora, "--message", "now")
	s.ok("project", "--until-idle", "--idle-after", "50ms")
	consume := []string{"consume", "--until-idle", "--idle-after", "50ms", "--dedup", "table"}
	before := lines[postroom.Notification](t, s.ok(consume...))
	if len(before) != 31 {
		t.Fatalf("%d notifications", len(before))
	}
	ids := map[string]bool{}
	for _, n := range before {
		if strings.Contains(n.Data.Preview, "2 hours ago") {
			ids[n.ID] = true
		}
	}
	for _, name := range []string{"one", "two"} { // each is given to it once
		args := []string{"replay", "--from", "4h", "--to", "1h", "--notify", "--user", bob, "--name", name}
		for range 2 {
			s.ok(args...)
		}
		got := lines[postroom.Notification](t, s.ok(consume...))
		if len(got) != 20 {
			t.Errorf("%s: %d notifications", name, len(got))
		}
		for _, n := range got {
			if !ids[n.ID] || n.Replay != name || n.Subject != bob {
				t.Errorf("%s: %+v", name, n)
			}
		}
	}
	s.sendAgain("one")
	if got := s.ok(consume...); got != "" {
		t.Errorf("told again: %s", got)
	}
	for _, of := range []string{ada, chloe} { // who is not a recipient of any, or not a member
		s.ok("replay", "--from", "4h", "--to", "1h", "--notify", "--user", of, "--name", of[:4])
		if got := s.ok(consume...); got != "" {
			t.Errorf("%s: %s", of, got)
		}
	}
}

// TestReplayForAWebhookThatLostThreeHours: its receiver is given exactly those again, once,
// although the replay is killed and goes on, and what it sent is sent once more.
func TestReplayForAWebhookThatLostThreeHours(t *testing.T) {
	t.Parallel()
	s, h := newShell(t), newHook(t, http.StatusNoContent)
	s.postAt(5, 10)
	s.postAt(2, 20)
	s.ok("project", "--until-idle", "--idle-after", "50ms")
	consume := append(s.hookArgs(h), "--dedup", "table")
	s.ok(consume...)
	lost := map[string]int{}
	for _, n := range h.received {
		if strings.Contains(n.Data.Preview, "2 hours ago") {
			lost[n.ID] = 0
		}
	}
	h.received = nil // the receiver goes back to a backup
	ctx, kill := context.WithCancel(t.Context())
	ended := make(chan result, 1)
	go func() {
		ended <- s.runContext(ctx, "replay", "--from", "3h", "--notify", "--name", "lost", "--rate", "5")
	}()
	for !strings.Contains(s.ok("replay", "list"), "running  lost") {
		time.Sleep(10 * time.Millisecond)
	}
	s.ok(consume...)
	kill()
	<-ended
	s.ok("replay", "resume", "lost", "--rate", "1000")
	s.ok(consume...)
	s.sendAgain("lost")
	s.ok(consume...)
	for _, n := range h.received {
		if _, ok := lost[n.ID]; !ok || n.Replay != "lost" {
			t.Errorf("it is given %+v", n)
		}
		lost[n.ID]++
	}
	for id, n := range lost {
		if n != 1 {
			t.Errorf("%s is given %d times", id, n)
		}
	}
}

// TestReplayOfTheLastHour goes through the stream, which was there by then, and notifies
// whom it is to, once.
func TestReplayOfTheLastHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShell(t)
		s.ok("post", "--from", ada, "--to", bob, "--message", "first")
		s.pipeline()
		time.Sleep(time.Hour)
		for i := range 5 {
			s.ok("post", "--from", bob, "--to", ada, "--message", fmt.Sprint("message ", i))
			time.Sleep(time.Minute)
		}
		s.pipeline()
		r := s.run("replay", "--from", "30m", "--notify", "--json", "--name", "one")
		one := lines[replayJSON](t, r.stdout)
		if r.code != exitDone || len(one) != 1 || one[0].Source != "stream" || one[0].Total != 5 || one[0].Replayed != 5 || one[0].Notified != 5 || !strings.Contains(r.stderr, ", through the stream, ") {
			t.Errorf("%+v", r)
		}
		if got := lines[postroom.Notification](t, s.pipeline()); len(got) != 5 || got[4].Replay != "one" {
			t.Errorf("%+v", got)
		}
		if status := s.ok("status", "--json"); strings.Contains(status, "replay-one") {
			t.Errorf("the group is left: %s", status)
		}
		third := lines[postroom.Message](t, s.ok("messages", postroom.PairUUID(ada, bob), "--json"))[2]
		record := lines[explanation](t, s.ok("explain", third.GroupUUID, third.MessageUUID, "--json"))[0].Message.Record
		for from, want := range map[string]int64{"trim-horizon": 6, record.Shard + ":" + record.Sequence: 3} {
			if dry := lines[replayJSON](t, s.ok("replay", "--from", from, "--dry-run", "--json")); dry[0].Total != want {
				t.Errorf("%s: %+v", from, dry)
			}
		}
		if r := s.run("replay", "--from", "nowhere:7"); r.code != exitFailed || !strings.Contains(r.stderr, "give a time") {
			t.Errorf("from nowhere: %+v", r)
		}
	})
}

// sendAgain sends the notifications of a replay once more, as a worker does that died
// before it had written how far it was, and more than five minutes later.
func (s *shell) sendAgain(name string) {
	s.t.Helper()
	b, err := local.Open(s.path("postroom.db"), local.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	defer b.Close()
	for it, err := range batch.NewTable(b.Table(defaultTable)).Scan(s.t.Context(), backend.Scan{}) {
		if err != nil {
			s.t.Fatal(err)
		}
		m, err := postroom.MessageFromItem(it)
		if err != nil || !strings.Contains(m.Text, "2 hours ago") {
			continue
		}
		n := postroom.NewNotification(defaultTable, m, bob)
		n.Replay = name
		entry := backend.SendEntry{Body: n.Encode(), GroupID: bob, DeduplicationID: "later-" + n.ID[:20]}
		if failed, err := b.Queue(defaultQueue).Send(s.t.Context(), []backend.SendEntry{entry}); err != nil || len(failed) > 0 {
			s.t.Fatal(failed, err)
		}
	}
}

// TestReplayStoppedAndResumed by commands: the one that carries it out ends, the list says
// so, and another goes on.
func TestReplayStoppedAndResumed(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.postAt(2, 40)
	s.pipeline()
	ended := make(chan result, 1)
	go func() { ended <- s.run("replay", "--from", "3h", "--rate", "1", "--name", "one") }()
	for !strings.Contains(s.ok("replay", "list"), "running  one") {
		time.Sleep(10 * time.Millisecond)
	}
	s.ok("replay", "stop", "one")
	if r := <-ended; r.code != exitFailed || !strings.Contains(r.stderr, "the replay was stopped: `postroom --data ") {
		t.Errorf("the command: %+v", r)
	}
	if list := s.ok("replay", "list"); !strings.HasPrefix(list, "stopped  one  ") || !strings.Contains(list, " left at 1 a second") {
		t.Errorf("list: %s", list)
	}
	r := s.run("replay", "resume", "one", "--rate", "1000", "--json")
	if one := lines[replayJSON](t, r.stdout); r.code != exitDone || len(one) != 1 || one[0].Replayed != 40 || one[0].State != "done" || one[0].LeftSeconds != nil {
		t.Errorf("resumed: %+v", r)
	}
	if r := s.run("replay", "stop", "one"); r.code != exitFailed || !strings.Contains(r.stderr, "the replay is done") {
		t.Errorf("stopped: %+v", r)
	}
}

// TestReplayInterrupted: the next command takes over at once.
func TestReplayInterrupted(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.postAt(2, 40)
	s.pipeline()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan result, 1)
	args := []string{"replay", "--from", "3h", "--rate", "1", "--name", "one"}
	go func() { ended <- s.runContext(ctx, args...) }()
	for !strings.Contains(s.ok("replay", "list"), "running  one") {
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	if r := <-ended; r.code != exitFailed || !strings.Contains(r.stderr, "the same command again goes on from here") {
		t.Errorf("the command: %+v", r)
	}
	if out := s.ok("replay", "resume", "one", "--rate", "1000"); !strings.HasPrefix(out, "done     one  40 of 40 messages replayed") {
		t.Errorf("resumed: %s", out)
	}
}

// TestReplayUsage: what is wrong is said, with where.
func TestReplayUsage(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.ok("post", "--from", ada, "--to", bob, "--message", "Hello")
	for want, args := range map[string][]string{
		"--from is missing":         nil,
		"--from: \"yesterday\"":     {"--from", "yesterday"},
		"--to: \"later\"":           {"--from", "1h", "--to", "later"},
		"--to is in the future":     {"--from", "1h", "--to", "2999-01-01T00:00:00Z"},
		"nothing is between them":   {"--from", "1h", "--to", "2h"},
		"--group: ":                 {"--from", "1h", "--group", "x"},
		"--user: ":                  {"--from", "1h", "--user", "x"},
		"--rate is 0, must be 1 to": {"--from", "1h", "--rate", "0"},
		"the name of a replay":      {"--from", "1h", "--name", "a b"},
		"unexpected argument":       {"--from", "1h", "x"},
	} {
		if r := s.run(append([]string{"replay"}, args...)...); r.code != exitUsage || !strings.Contains(r.stderr, want) {
			t.Errorf("%v: %+v, want %s", args, r, want)
		}
	}
	if r := s.run("replay", "resume", "nobody"); r.code != exitFailed || !strings.Contains(r.stderr, `there is no replay named "nobody"`) {
		t.Errorf("resumed: %+v", r)
	}
	s.ok("replay", "--from", "1h", "--name", "one")
	s.env["POSTROOM_QUEUE"] = "other.fifo"
	if r := s.run("replay", "--from", "1h", "--name", "one"); r.code != exitUsage || !strings.Contains(r.stderr, "with another --queue") {
		t.Errorf("to another queue: %+v", r)
	}
}

// TestReplayedIsNotTimed: how long a message took to be delivered is not known from a
// notification that was sent again.
func TestReplayedIsNotTimed(t *testing.T) {
	t.Parallel()
	sink := &timed{next: consumer.LogSink(&strings.Builder{})}
	n := postroom.NewNotification("t", postroom.Message{CreatedAt: time.Now().Add(-time.Hour)}, bob)
	for _, n.Replay = range []string{"", "one"} {
		if err := sink.Handle(t.Context(), backend.Delivery{Body: n.Encode(), SentAt: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	if got := sink.delivered.Histogram().Count; got != 1 {
		t.Errorf("%d deliveries are timed", got)
	}
}
