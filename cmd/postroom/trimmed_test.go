package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postroom/postroom"
)

// statusNow is what status prints, for programs and for people, and the exit code of its
// check.
func (s *shell) statusNow() (status statusJSON, text string, code int) {
	s.t.Helper()
	if err := json.Unmarshal([]byte(s.ok("status", "--json")), &status); err != nil {
		s.t.Fatal(err)
	}
	return status, s.ok("status"), s.run("status", "--check").code
}

// TestS6TrimmedWhileTheDaemonWasOff: from a file of messages that are posted while nobody
// reads the stream to a status that says what was lost to it, and that it was made good.
func TestS6TrimmedWhileTheDaemonWasOff(t *testing.T) {
	shell := newShell(t)
	posted := func() (file string) {
		var lines strings.Builder
		for range 3 {
			lines.WriteString(message(t, func(m *postroom.Message) { m.MessageUUID, m.CreatedAt = uuid.NewString(), time.Now().UTC() }))
			time.Sleep(time.Second)
		}
		return shell.file("messages.jsonl", lines.String())
	}
	inAlarmRigOn(t, shell.path("postroom.db"), func(r *alarmRig) {
		s := *shell
		s.t = r.t
		r.project("p1")
		r.consume("c1", "table", "")
		s.ok("post", "--file", posted())
		r.watch(5*time.Minute, nil)
		r.endAll()
		off := time.Now()
		s.ok("post", "--file", posted())
		r.away(25 * time.Hour)
		if _, text, code := s.statusNow(); code != exitLost || !strings.Contains(text, "RECORDS WERE LOST") {
			t.Errorf("before the start: exit code %d, %s", code, text)
		}

		r.slow("Scan", time.Minute)
		r.project("p1")
		r.consume("c1", "table", "")
		r.watch(30*time.Second, nil)
		status, text, code := s.statusNow()
		if code != exitBackfill || len(status.Backfill.OpenGaps) != 1 || !strings.Contains(text, "LOST; a backfill is to bring it from the log") {
			t.Errorf("during the backfill: exit code %d, %s", code, text)
		}

		r.up()
		r.watch(10*time.Minute, nil)
		status, text, code = s.statusNow()

		gap := status.Backfill.ClosedGaps[0]
		if code != exitDone || gap.From > formatTime(off) || gap.Until < formatTime(off.Add(3*time.Second)) || gap.Projected != 3 || gap.Notified < 3 {
			t.Errorf("afterwards: exit code %d, gap %+v", code, gap)
		}
		if !strings.Contains(text, "\nbackfilled   "+gap.Shard) || !strings.Contains(text, "was lost, and was brought from the log") || len(status.Backfill.OpenGaps) > 0 {
			t.Error(text)
		}
		if out := s.ok("verify"); !strings.HasPrefix(out, "6 messages in 1 conversations, 2 group items: 0 ") {
			t.Error(out)
		}
		if e := s.ok("explain", postroom.PairUUID(ada, bob)); !strings.Contains(e, "nothing is missing") {
			t.Error(e)
		}
		if status.Queue.Visible+status.Queue.InFlight+status.Dead.Visible > 0 {
			t.Errorf("notifications are left: %+v", status.Queue)
		}
	}, "PostroomDataLost", "PostroomNoProjector")
}
