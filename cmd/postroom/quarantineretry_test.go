package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/projector/quarantine"
)

// breakMessages has n messages of ada to bob quarantined, since they have no text, and
// returns what mends them.
func (s *shell) breakMessages(n int) (mend func()) {
	s.t.Helper()
	s.ok("post", "--from", ada, "--to", bob, "--message", "Hello")
	began := time.Now().UTC().Truncate(time.Millisecond)
	put := func(change func(backend.Item)) {
		s.onTable(defaultTable, func(ctx context.Context, table backend.Table) error {
			for i := range n {
				m := postroom.Message{
					GroupUUID: postroom.PairUUID(ada, bob), MessageUUID: fmt.Sprintf("aaaaaaaa-0000-4000-8000-%012d", i), UserUUID: ada,
					DisplayName: "Ada", Handle: "@ada", Text: fmt.Sprintf("mended %03d", i), CreatedAt: began.Add(time.Duration(i) * time.Millisecond),
				}
				it := m.Item()
				change(it)
				if _, err := table.Put(ctx, it, backend.Condition{}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	put(func(it backend.Item) { delete(it, "message") })
	if r := s.run("project", "--until-idle", "--idle-after", "50ms"); r.code != exitFailed {
		s.t.Fatalf("nothing is quarantined: %+v", r)
	}
	return func() { put(func(backend.Item) {}) }
}

// TestQuarantineRetry where no projector runs: the command does it, and each record is
// told of.
func TestQuarantineRetry(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	mend := s.breakMessages(7)
	s.ok("post", "--from", chloe, "--group", postroom.PairUUID(ada, bob), "--message", "I am no member")
	s.run("project", "--until-idle", "--idle-after", "50ms")
	if out := s.ok("quarantine", "retry", "--dry-run", "--max", "3"); strings.Count(out, "would_retry") != 3 || strings.Count(out, "  attempt 1: ") != 3 || !strings.HasSuffix(out, "\n3 would be retried\n") {
		t.Errorf("dry run: %s", out)
	}
	mend()
	r := s.run("quarantine", "retry", "--json", "--rate", "1000")
	all := strings.SplitAfter(strings.TrimSuffix(r.stdout, "\n"), "\n")
	if r.code != exitFailed || len(all) != 9 || all[8] != `{"dry_run":false,"retried":7,"waiting":0,"quarantined":1,"left":0}` {
		t.Errorf("retry: %+v", r)
	}
	if !strings.Contains(r.stderr, "8 records match; no projector runs, so this command retries them, 1,000 a second at most, in about 1s\n") {
		t.Errorf("announced: %s", r.stderr)
	}
	left := s.records()
	if len(left) != 1 || left[0].Attempts != 2 || !strings.Contains(left[0].Reason, "not a member") {
		t.Errorf("left are %+v", left)
	}
	if told := s.pipeline(); strings.Count(told, "mended") != 7 {
		t.Errorf("notified: %s", told)
	}
	if list := s.ok("inbox", bob); !strings.Contains(list, "mended 006") {
		t.Errorf("inbox printed %s", list)
	}
	if r := s.run("quarantine", "retry", "--filter", "before="+left[0].QuarantinedAt); r.code != exitDone || r.stdout != "0 retried, 0 waiting, 0 quarantined again, 0 left\n" {
		t.Errorf("of those before: %+v", r)
	}
}

// TestQuarantineRetryBesideAProjector: it does the work.
func TestQuarantineRetryBesideAProjector(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	mend := s.breakMessages(2*quarantine.MaxBatch/5 + 3) // more would trip the breaker
	mend()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan result, 1)
	go func() { ended <- s.runContext(ctx, "project") }()
	for !strings.Contains(s.ok("status"), "WORKER") {
		time.Sleep(10 * time.Millisecond)
	}
	r := s.run("quarantine", "retry", "--json", "--rate", "4") // in batches of 20
	if r.code != exitDone || !strings.HasSuffix(r.stdout, `{"dry_run":false,"retried":23,"waiting":0,"quarantined":0,"left":0}`+"\n") || !strings.Contains(r.stderr, "the worker group retries them (1 workers)") {
		t.Errorf("retry: %+v", r)
	}
	stop()
	if r := <-ended; r.code != exitDone || !strings.Contains(r.stderr, `quarantined records are retried`) {
		t.Errorf("project: %+v", r)
	}
	s.ok("verify")
}

// TestQuarantineRetryBesideADeadProjector: a heartbeat that stands still, or a projector
// that knows nothing of retries, delays it only.
func TestQuarantineRetryBesideADeadProjector(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.breakMessages(3)()
	none := func(string) string { return "" }
	p := process{stdin: strings.NewReader(""), stdout: &strings.Builder{}, stderr: &strings.Builder{}, getenv: none}
	g := &global{backend: "local", data: s.path("postroom.db"), table: defaultTable, queue: defaultQueue}
	err := withApp(t.Context(), p, g, need{}, func(ctx context.Context, a *app) error {
		f, err := newRecordFilter(nil)
		if err != nil {
			return err
		}
		c, err := a.choose(ctx, f, selection{}, nil)
		if err != nil {
			return err
		}
		r := &retrying{app: a, sel: selection{rate: 100}, patience: time.Millisecond, moved: time.Now()}
		err = r.run(ctx, c)
		if r.counts.Retried != 3 {
			t.Errorf("%+v", r.counts)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if out := p.stderr.(*strings.Builder).String(); !strings.Contains(out, "this command does it") {
		t.Errorf("printed %s", out)
	}
}

// TestQuarantineRetryInterrupted takes back what was asked for; the same command goes on.
func TestQuarantineRetryInterrupted(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.breakMessages(30)()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan result, 1)
	go func() { ended <- s.runContext(ctx, "quarantine", "retry", "--rate", "5") }()
	for len(s.records()) == 30 {
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	if r := <-ended; r.code != exitFailed || !strings.Contains(r.stderr, "the same command again goes on from here") {
		t.Errorf("interrupted: %+v", r)
	}
	s.onTable(postroom.ControlTable(defaultTable), func(ctx context.Context, control backend.Table) error {
		page, err := control.Query(ctx, backend.Query{PK: "quarantine-retry", Consistent: true})
		if len(page.Items) > 0 {
			t.Errorf("%d batches are left", len(page.Items))
		}
		return err
	})
	left := len(s.records())
	if out := s.ok("quarantine", "retry"); left == 0 || !strings.HasSuffix(out, fmt.Sprintf("\n%d retried, 0 waiting, 0 quarantined again, 0 left\n", left)) {
		t.Errorf("again, with %d left: %s", left, out)
	}
	s.pipeline()
	s.ok("verify")
}

// TestQuarantineOnAWS on servers that speak DynamoDB's and SQS's protocols.
func TestQuarantineOnAWS(t *testing.T) {
	emulators.Start(t)
	s := newShell(t)
	s.env["POSTROOM_BACKEND"], s.env["POSTROOM_TABLE"] = "aws", "quarantined"
	s.ok("provision", "--deletion-protection=false")
	s.ok("post", "--from", ada, "--to", bob, "--message", "Hello")
	for i := range 3 {
		s.ok("post", "--from", chloe, "--group", postroom.PairUUID(ada, bob), "--message", fmt.Sprint(i))
	}
	s.run("project", "--until-idle", "--idle-after", "500ms")
	all := s.records()
	if len(all) != 3 || len(s.records("--filter", "id="+all[1].ID)) != 1 || len(s.records("--cursor", all[0].ID)) != 2 {
		t.Fatalf("listed %+v", all)
	}
	if out := s.ok("quarantine", "show", all[0].ID); !strings.Contains(out, chloe) {
		t.Errorf("show printed %s", out)
	}
	if r := s.run("quarantine", "retry", "--json"); r.code != exitFailed || !strings.HasSuffix(r.stdout, `"quarantined":3,"left":0}`+"\n") {
		t.Errorf("retry: %+v", r)
	}
	if out := s.ok("quarantine", "drop", "--json", "--count", "3"); !strings.HasSuffix(out, `"dropped":3,"left":0}`+"\n") || len(s.records()) > 0 {
		t.Errorf("drop printed %s", out)
	}
	s.ok("destroy")
}
