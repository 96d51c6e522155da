package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/local"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/stream"
)

// changeControl lets somebody write into the control table: each of its items whose
// sort key begins so is replaced by what change makes of it. It returns how many.
func (s *shell) changeControl(prefix string, change func(backend.Item)) (n int) {
	s.t.Helper()
	b, err := local.Open(s.path("postroom.db"), local.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	defer b.Close()
	control := b.Table(postroom.ControlTable(defaultTable))
	page, err := control.Scan(s.t.Context(), backend.Scan{Consistent: true})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, it := range page.Items {
		if !strings.HasPrefix(backend.KeyOf(it).SK, prefix) {
			continue
		}
		it = maps.Clone(it)
		change(it)
		if _, err := control.Put(s.t.Context(), it, backend.Condition{}); err != nil {
			s.t.Fatal(err)
		}
		n++
	}
	return n
}

// damaged returns the damaged items that status lists.
func (s *shell) damaged() []damagedJSON {
	s.t.Helper()
	var status statusJSON
	if err := json.Unmarshal([]byte(s.ok("status", "--json")), &status); err != nil {
		s.t.Fatal(err)
	}
	return status.Damaged
}

// TestF11UntilIdleNeverSucceedsWithSomethingUnread: whatever somebody has made of the
// leases, project fails as long as a message is unread, and names an item and the
// command that repairs it. Once it is repaired the message is there.
func TestF11UntilIdleNeverSucceedsWithSomethingUnread(t *testing.T) {
	t.Parallel()
	set := func(name string, value types.AttributeValue) func(backend.Item) {
		return func(it backend.Item) { it[name] = value }
	}
	for name, c := range map[string]struct {
		change func(backend.Item)
		read   bool // it can be read: only the stream contradicts it
	}{
		"a checkpoint that is no number": {set("checkpoint", item.String("latest")), false},
		"a checkpoint of no record":      {set("checkpoint", item.String("123456789")), true},
		"a lease that is finished": {func(it backend.Item) {
			it["finished"], it["finished_at"] = item.Bool(true), item.String("2026-05-21T10:30:00Z")
		}, true},
		"finished by half":      {set("finished", item.Bool(true)), false},
		"an epoch in words":     {set("epoch", item.String("one")), false},
		"an owner by half":      {func(it backend.Item) { it["worker"], it["session"] = item.String("x"), item.String("") }, false},
		"a lease without parts": {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShell(t)
			s.ok("post", "--from", ada, "--to", bob, "--message", "Hello")
			s.pipeline()
			s.ok("post", "--from", ada, "--to", bob, "--message", "Are you there?")
			if name == "a lease without parts" {
				c.change = func(it backend.Item) {
					maps.DeleteFunc(it, func(name string, _ types.AttributeValue) bool { return name != "PK" && name != "SK" })
				}
			}
			if s.changeControl("SHARD#", c.change) == 0 {
				t.Fatal("there is no lease")
			}
			r := s.run("project", "--until-idle", "--idle-after", "50ms")
			if r.code != exitFailed || !strings.Contains(r.stderr, "SHARD#") || !strings.Contains(r.stderr, "postroom repair") {
				t.Errorf("exit code %d: %s", r.code, r.stderr)
			}
			if d := s.damaged(); c.read != (len(d) == 0) || !c.read && !d[0].Blocks {
				t.Errorf("status lists %v", d)
			}
			if dry := s.ok("repair", "--dry-run"); !strings.Contains(dry, "would be repaired") || !strings.Contains(dry, "SHARD#") {
				t.Errorf("repair printed %s", dry)
			}
			s.ok("repair", "--json")
			if out := s.ok("repair"); out != "0 damaged items repaired.\n" {
				t.Errorf("repair printed %s", out)
			}
			s.ok("project", "--until-idle", "--idle-after", "50ms")
			if list := s.ok("inbox", bob); !strings.Contains(list, "Are you there?") {
				t.Errorf("inbox printed %s", list)
			}
			s.ok("verify")
		})
	}
}

// TestF18GarbageStopsNobody: what is no item of ours is left aside, listed by status,
// and repaired by repair; messages go on. A gap that cannot be read may hide some that
// are missing.
func TestF18GarbageStopsNobody(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pk, sk string
		blocks bool
	}{
		{"", "WORKER#garbage", false},
		{"", "LEADER", false},
		{"backfill", "GAP#garbage", true},
		{"backfill", "SCAN#garbage", false},
		{"QUARANTINE#" + postroom.PairUUID(ada, bob), "garbage#000", false},
		{"dedup#garbage", "ID", false},
		{"dev", "sample", false},
	} {
		t.Run(c.sk, func(t *testing.T) {
			t.Parallel()
			s := newShell(t)
			s.ok("post", "--from", ada, "--to", bob, "--message", "Hello")
			s.pipeline()
			n := s.changeControl("LEADER", func(it backend.Item) {
				if c.pk == "" {
					c.pk = backend.KeyOf(it).PK
				}
				clear(it)
				it["PK"], it["SK"], it["garbage"] = item.String(c.pk), item.String(c.sk), item.Bool(true)
			})
			if n != 1 {
				t.Fatal("there is no leader")
			}
			if d := s.damaged(); c.sk != "ID" && c.sk != "sample" && (len(d) != 1 || d[0].PK != c.pk || d[0].SK != c.sk || d[0].Blocks != c.blocks) {
				t.Errorf("status lists %v", d)
			}
			s.ok("post", "--from", ada, "--to", bob, "--message", "Are you there?")
			want := exitDone
			if c.blocks {
				want = exitFailed
			}
			r := s.run("project", "--until-idle", "--idle-after", "50ms")
			if r.code != want {
				t.Errorf("exit code %d, want %d: %s", r.code, want, r.stderr)
			}
			if n := strings.Count(r.stderr, "SK="+c.sk+" "); n > 1 {
				t.Errorf("named %d times in the log: %s", n, r.stderr)
			}
			if list := s.ok("inbox", bob); !strings.Contains(list, "Are you there?") {
				t.Errorf("inbox printed %s", list)
			}
			if out := s.ok("repair", "--json"); c.sk != "LEADER" && !strings.Contains(out, `"garbage"`) {
				t.Errorf("repair printed %s", out)
			}
			s.pipeline()
			if d := s.damaged(); len(d) > 0 {
				t.Errorf("status lists %v", d)
			}
			s.ok("verify")
		})
	}
}

// TestF11DamageIsNotReady: what blocks is named with the command that repairs it, ten
// items at most, and what does not block is not.
func TestF11DamageIsNotReady(t *testing.T) {
	t.Parallel()
	var damaged []*stream.DamageError
	ready := undamaged(func() []*stream.DamageError { return damaged })
	if why := ready(); why != "" {
		t.Errorf("without damage: %s", why)
	}
	broken := errors.New("attribute epoch: it is missing")
	damaged = append(damaged, &stream.DamageError{Key: backend.Key{PK: "stream#s", SK: "WORKER#w"}, Err: broken})
	if why := ready(); why != "" {
		t.Errorf("with a damaged heartbeat: %s", why)
	}
	for i := range 12 {
		damaged = append(damaged, &stream.DamageError{Key: backend.Key{PK: "stream#s", SK: fmt.Sprintf("SHARD#%02d", i)}, Err: broken, Blocks: true})
	}
	why := ready()
	if !strings.Contains(why, `"stream#s", "SHARD#00" is damaged: attribute epoch: it is missing`) ||
		!strings.Contains(why, "postroom repair") || strings.Count(why, "SHARD#") != 10 || !strings.Contains(why, "and 2 more") {
		t.Errorf("with damaged leases: %s", why)
	}
}

// TestF11UntilIdleBesideAnotherProjector fails too, and does not wait for it.
func TestF11UntilIdleBesideAnotherProjector(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.ok("post", "--from", ada, "--to", bob, "--message", "Hello")
	s.pipeline()
	s.changeControl("SHARD#", func(it backend.Item) { it["checkpoint"] = item.String("123456789") })
	s.ok("post", "--from", ada, "--to", bob, "--message", "Are you there?")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan result, 1)
	go func() { ended <- s.runContext(ctx, "project") }()
	for !strings.Contains(s.ok("status"), "WORKER") {
		time.Sleep(10 * time.Millisecond)
	}
	if r := s.run("project", "--until-idle", "--idle-after", "50ms"); r.code != exitFailed || !strings.Contains(r.stderr, "SHARD#") {
		t.Errorf("exit code %d: %s", r.code, r.stderr)
	}
	stop()
	if r := <-ended; r.code != exitDone {
		t.Errorf("exit code %d: %s", r.code, r.stderr)
	}
}
