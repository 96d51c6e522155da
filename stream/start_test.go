package stream

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/stream/internal/lease"
)

// hourly fills shards with a record in each of the last hours; the number of a record is
// its hour, from 1 to n, and in a later shard ten more, and so on.
func hourly(n int, shards ...*fakeShard) *fakeStream {
	for i, s := range shards {
		for h := 1; h <= n; h++ {
			s.records = append(s.records, backend.Record{
				Sequence: fmt.Sprint(10*i + h), CreatedAt: time.Now().Add(time.Duration(h-n-1) * time.Hour).Truncate(time.Second),
			})
		}
	}
	return newStream(shards...)
}

func TestGroupStarts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		start func() Start
		want  []string
		after []string // of those that are written later
	}{
		"trim horizon": {func() Start { return Start{} }, []string{"a/1", "a/2", "a/3", "b/11", "b/12", "b/13"}, []string{"a/101", "b/102"}},
		"latest":       {func() Start { return Start{Latest: true} }, nil, []string{"a/101", "b/102"}},
		"time": {
			func() Start { return Start{At: time.Now().Add(-2*time.Hour + time.Second/2)} },
			[]string{"a/2", "a/3", "b/12", "b/13"}, []string{"a/101", "b/102"},
		},
		"a minute later": {
			func() Start { return Start{At: time.Now().Add(-2*time.Hour + time.Minute + time.Second)} },
			[]string{"a/3", "b/13"}, []string{"a/101", "b/102"},
		},
		"record": {func() Start { return Start{Shard: "a", Sequence: "3"} }, []string{"a/3", "b/13"}, []string{"a/101", "b/102"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, table := hourly(3, openShard("a", ""), openShard("b", "")), newTable()
				daemon := work(t, s, table, config{}, nil)
				start := c.start()
				w := work(t, s, table, config{Group: "g", Start: start}, nil)
				pass(2 * time.Second)
				w.wantsSet(t, c.want...)
				daemon.wantsSet(t, "a/1", "a/2", "a/3", "b/11", "b/12", "b/13")
				wantStop(t, w)
				// On another machine, by its name; what it is to begin at counts no more.
				pass(2 * time.Minute)
				w = work(t, s, table, config{Group: "g", Start: Start{Latest: true}}, nil)
				s.edit(func() {
					s.shards[0].records = append(s.shards[0].records, backend.Record{Sequence: "101", CreatedAt: time.Now()})
					s.shards[1].records = append(s.shards[1].records, backend.Record{Sequence: "102", CreatedAt: time.Now()})
				})
				pass(2 * time.Second)
				w.wantsSet(t, c.after...)
				wantStop(t, w)
				if l := table.lease(s.arn, "a"); l.Start != (lease.Start{}) {
					t.Errorf("the daemon's lease has the start %+v", l.Start)
				}
				wantStop(t, daemon)
			})
		})
	}
}

// The times in a shard go to and fro: who is to have a record has it, and the checkpoint
// passes the others.
func TestGroupStartsAmongRecordsOutOfOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := openShard("a", "")
		for i, age := range []int{90, 10, 80, 9, 8, 70} { // minutes
			a.records = append(a.records, backend.Record{Sequence: fmt.Sprint(i + 1), CreatedAt: time.Now().Add(-time.Duration(age) * time.Minute)})
		}
		s, table := newStream(a), newTable()
		w := work(t, s, table, config{Group: "g", Start: Start{At: time.Now().Add(-time.Hour)}}, keepAll)
		pass(5 * time.Second)
		w.wants(t, "a/2", "a/4", "a/5")
		checkpoint := func() string { return table.leaseOf(lease.GroupID{ARN: s.arn, Name: "g"}, "a").Checkpoint.Sequence }
		if got := checkpoint(); got != "1" {
			t.Errorf("the checkpoint is %s, and a/2 is not acknowledged", got)
		}
		for _, id := range w.got() {
			w.ack(id)
		}
		pass(5 * time.Second)
		if got := checkpoint(); got != "6" {
			t.Errorf("the checkpoint is %s, want that of the last record", got)
		}
		wantStop(t, w)
	})
}

// The parent of the shard that a group begins in, and its children.
func TestGroupStartsInTheMiddleOfALineage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := hourly(2, openShard("p", "").close(), openShard("c", "p").close(), openShard("d", "c"))
		for i := range s.shards[0].records { // the parent is older
			s.shards[0].records[i].CreatedAt = s.shards[0].records[i].CreatedAt.Add(-5 * time.Hour)
		}
		w := work(t, s, newTable(), config{Group: "g", Start: Start{Shard: "c", Sequence: "12"}}, nil)
		pass(10 * time.Second)
		w.wants(t, "c/12", "d/22")
		wantStop(t, w)
	})
}

func TestGroupThatCannotStart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		start Start
		group string
		trim  string
		want  string
	}{
		"no such record": {start: Start{Shard: "a", Sequence: "99"}, want: "no record with the sequence number 99"},
		"trimmed":        {start: Start{Shard: "a", Sequence: "1"}, trim: "1", want: "sequence number 1"},
		"no such shard":  {start: Start{Shard: "z", Sequence: "1"}, want: "shard z"},
		"future":         {start: Start{At: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)}, want: "2100-01-01T00:00:00Z is in the future"},
		"two ways":       {start: Start{Latest: true, Shard: "a", Sequence: "1"}, want: "more than one"},
		"no sequence":    {start: Start{Shard: "a"}, want: "sequence number"},
		"the daemon":     {start: Start{Latest: true}, group: DefaultGroup, want: "begins at the trim horizon"},
		"no name":        {group: "a b", want: `"a b" cannot be the name of a group`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := hourly(3, openShard("a", ""))
				s.shards[0].trimmed = c.trim
				if c.group == "" {
					c.group = "g"
				}
				begin := time.Now()
				err := work(t, s, newTable(), config{Group: c.group, Start: c.start}, nil).ended(t)
				if err == nil || !strings.Contains(err.Error(), c.want) || time.Since(begin) > 5*time.Second {
					t.Errorf("after %v: %v, want %q", time.Since(begin), err, c.want)
				}
			})
		})
	}
}

func TestParseStart(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 21, 10, 30, 0, 0, time.UTC)
	for text, want := range map[string]Start{
		"trim-horizon": {}, "latest": {Latest: true}, "2h30m": {At: now.Add(-150 * time.Minute)},
		"2026-05-21T08:00:00Z": {At: now.Add(-150 * time.Minute)}, "2026-05-21T10:00:00+02:00": {At: now.Add(-150 * time.Minute)},
		"shardId-00000001:100000000003218256368": {Shard: "shardId-00000001", Sequence: "100000000003218256368"},
	} {
		got, err := ParseStart(text, now)
		if err != nil || !got.At.Equal(want.At) || got.Latest != want.Latest || got.Shard != want.Shard || got.Sequence != want.Sequence {
			t.Errorf("%q is %+v (%v), want %+v", text, got, err, want)
		}
		if again, err := ParseStart(got.String(), now); err != nil || again.String() != got.String() {
			t.Errorf("%q is written as %q, which is read as %q (%v)", text, got, again, err)
		}
	}
	for _, text := range []string{"", "yesterday", "-2h", "a:", ":1", "a:b", "10:30", "2026-05-21", "a"} {
		if got, err := ParseStart(text, now); err == nil {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}
