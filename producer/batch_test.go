package producer_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/backendtest"
	"github.com/postroom/postroom/backend/local"
	"github.com/postroom/postroom/producer"
)

// numbered yields messages as lines, one to a line.
func numbered(messages ...postroom.Message) iter.Seq2[postroom.NumberedMessage, error] {
	return func(yield func(postroom.NumberedMessage, error) bool) {
		for i, m := range messages {
			if !yield(postroom.NumberedMessage{Message: m, Line: i + 1}, nil) {
				return
			}
		}
	}
}

// conversations is so many messages of each of so many conversations, in turn.
func conversations(groups, each int) (messages []postroom.Message) {
	for n := 1; n <= each; n++ {
		for group := range groups {
			messages = append(messages, message(0xa00+group, n))
		}
	}
	return messages
}

func TestPostAll(t *testing.T) {
	t.Parallel()
	table := openLocal(t).Table(tableName)
	p := producer.New(table, options())
	all := conversations(40, 5)
	for _, want := range []producer.Summary{{Stored: 200}, {AlreadyThere: 200}} {
		var lines []int
		got, err := p.PostAll(t.Context(), numbered(all...), producer.BatchOptions{
			Report: func(o producer.Outcome) {
				lines = append(lines, o.Line)
				if m := all[o.Line-1]; o.Err != nil || o.Key != (backend.Key{PK: m.GroupUUID, SK: m.Key()}) || o.AlreadyThere != (want.Stored == 0) {
					t.Errorf("line %d: %+v", o.Line, o)
				}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if got.Units.Write < 200 {
			t.Errorf("units %+v", got.Units)
		}
		if got.Units = (backend.Units{}); got != want {
			t.Errorf("summary %+v, want %+v", got, want)
		}
		slices.Sort(lines)
		if len(slices.Compact(lines)) != len(all) {
			t.Errorf("%d of %d lines reported", len(lines), len(all))
		}
	}
	if got := stored(t, table, id(0xa00)); len(got) != 5 {
		t.Errorf("stored is %+v", got)
	}
}

// The stream shows in which order messages were stored.
func TestPostAllKeepsTheOrderOfAConversation(t *testing.T) {
	t.Parallel()
	b := openLocal(t)
	all := conversations(6, 30)
	slices.Reverse(all) // newest first: the order of lines counts, not of times
	if _, err := producer.New(b.Table(tableName), options()).PostAll(t.Context(), numbered(all...), producer.BatchOptions{}); err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{}
	for _, m := range all {
		want[m.GroupUUID] = append(want[m.GroupUUID], m.Key())
	}
	got := map[string][]string{}
	stream := b.Stream(tableName)
	shards, err := stream.Shards(t.Context(), "")
	if err != nil || len(shards.Shards) != 1 {
		t.Fatalf("shards %+v, %v", shards, err)
	}
	it, err := stream.Iterator(t.Context(), shards.StreamARN, shards.Shards[0].ID, backend.Position{})
	if err != nil {
		t.Fatal(err)
	}
	page, err := stream.Records(t.Context(), it, backend.MaxRecords)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range page.Records {
		got[r.Key.PK] = append(got[r.Key.PK], r.Key.SK)
	}
	for group, keys := range want {
		if !slices.Equal(got[group], keys) {
			t.Errorf("conversation %s was stored in the order %v", group, got[group])
		}
	}
}

func TestPostAllReportsBadLinesAndGoesOn(t *testing.T) {
	t.Parallel()
	table := openLocal(t).Table(tableName)
	future, large := message(7, 3), message(7, 4)
	future.CreatedAt = now.AddDate(1, 0, 0)
	large.Text = strings.Repeat("x", backend.MaxItemBytes)
	var file strings.Builder
	for _, m := range []any{message(7, 1), "hello", message(7, 2), "", future, large, `{"message":"x"}`, message(7, 5)} {
		if m, ok := m.(postroom.Message); ok {
			line, err := m.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			file.Write(line)
			file.WriteString("\n")
			continue
		}
		fmt.Fprintln(&file, m)
	}
	bad := map[int]string{}
	got, err := producer.New(table, options()).PostAll(t.Context(), postroom.ReadMessages(strings.NewReader(file.String())), producer.BatchOptions{
		Report: func(o producer.Outcome) {
			if o.Err != nil {
				bad[o.Line] = o.Err.Error()
			}
		},
	})
	if err != nil || got.Stored != 3 || got.Refused != 4 {
		t.Errorf("summary %+v, %v", got, err)
	}
	for line, want := range map[int]string{2: "line 2: not JSON", 5: "ahead of this machine's clock", 6: "400 KB", 7: "created_at"} {
		if !strings.Contains(bad[line], want) {
			t.Errorf("line %d: %q, want %q", line, bad[line], want)
		}
	}
	if n := len(stored(t, table, id(7))); n != 3 || len(bad) != 4 {
		t.Errorf("%d stored, %d bad lines: %v", n, len(bad), bad)
	}
}

func TestPostAllStopsWhereTheBackendFails(t *testing.T) {
	t.Parallel()
	b := openLocal(t)
	var puts atomic.Int64
	f := backendtest.Faulty(b, func(context.Context, backendtest.Call) backendtest.Fault {
		if puts.Add(1) > 50 {
			return backendtest.Fault{Kind: backend.KindDenied}
		}
		return backendtest.Fault{}
	})
	all := conversations(10, 100)
	read := 0
	source := func(yield func(postroom.NumberedMessage, error) bool) {
		for m, err := range numbered(all...) {
			read++
			if !yield(m, err) {
				return
			}
		}
	}
	got, err := producer.New(f.Table(tableName), options()).PostAll(t.Context(), source, producer.BatchOptions{Concurrency: 4})
	if backend.KindOf(err) != backend.KindDenied || !strings.Contains(err.Error(), fmt.Sprintf("stopped with %d messages stored", got.Stored)) || !strings.Contains(err.Error(), "line ") {
		t.Errorf("error %v", err)
	}
	if got.Stored == 0 || got.Stored > 50 || got.Refused != 0 { // what was under way may have been stored unseen
		t.Errorf("summary %+v", got)
	}
	if read > 200 {
		t.Errorf("%d lines were read though the 51st put failed", read)
	}
	again, err := producer.New(b.Table(tableName), options()).PostAll(t.Context(), numbered(all...), producer.BatchOptions{})
	if err != nil || again.Stored+again.AlreadyThere != len(all) || again.AlreadyThere < got.Stored {
		t.Errorf("made again: %+v, %v", again, err)
	}
}

func TestPostAllStopsWhereTheSourceFails(t *testing.T) {
	t.Parallel()
	failed := errors.New("disk on fire")
	source := func(yield func(postroom.NumberedMessage, error) bool) {
		for m, err := range numbered(conversations(3, 3)...) {
			if !yield(m, err) {
				return
			}
		}
		yield(postroom.NumberedMessage{}, failed)
	}
	got, err := producer.New(openLocal(t).Table(tableName), options()).PostAll(t.Context(), source, producer.BatchOptions{})
	if !errors.Is(err, failed) || got.Stored != 9 {
		t.Errorf("summary %+v, %v", got, err)
	}
}

func TestPostAllStopsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("enough")
	var reported atomic.Int64
	endless := func(yield func(postroom.NumberedMessage, error) bool) {
		for n := 1; yield(postroom.NumberedMessage{Message: message(n%50, 2), Line: n}, nil); n++ {
		}
	}
	got, err := producer.New(openLocal(t).Table(tableName), options()).PostAll(ctx, endless, producer.BatchOptions{
		Report: func(producer.Outcome) {
			if reported.Add(1) == 20 {
				cancel(stop)
			}
		},
	})
	if !errors.Is(err, stop) || int64(got.Stored+got.AlreadyThere) != reported.Load() {
		t.Errorf("summary %+v of %d reported, %v", got, reported.Load(), err)
	}
}

// BenchmarkPostAll is the rate of a batch onto a file.
func BenchmarkPostAll(b *testing.B) {
	store, err := local.Open(filepath.Join(b.TempDir(), "postroom.db"), local.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	if err := store.CreateTable(b.Context(), backend.TableSpec{
		Name: tableName, PartitionKey: backend.AttrPK, SortKey: backend.AttrSK, StreamView: "NEW_IMAGE",
		Index: &backend.IndexSpec{Name: postroom.IndexName, PartitionKey: postroom.AttrGroupUUID, SortKey: postroom.AttrUserUUID},
	}); err != nil {
		b.Fatal(err)
	}
	source := func(yield func(postroom.NumberedMessage, error) bool) {
		for n := 1; b.Loop(); n++ {
			m := message(0xa00+n%1000, 2+n/1000)
			if !yield(postroom.NumberedMessage{Message: m, Line: n}, nil) {
				return
			}
		}
	}
	got, err := producer.New(store.Table(tableName), producer.Options{}).PostAll(b.Context(), source, producer.BatchOptions{})
	if err != nil || got.Refused > 0 {
		b.Fatal(got, err)
	}
	b.ReportMetric(float64(got.Stored)/b.Elapsed().Seconds(), "msg/s")
}

// TestPostAllStopped says so, also where all lines were read by then: those that wait
// are not posted.
func TestPostAllStopped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := openLocal(t).Table(tableName)
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("the reason")
		slow := backend.Intercept(table, func(ctx context.Context, _ *backend.TableCall, next func(context.Context) error) error {
			time.Sleep(time.Second) // until all are read
			defer cancel(why)
			return next(context.WithoutCancel(ctx))
		})
		got, err := producer.New(slow, options()).PostAll(ctx, numbered(conversations(1, 3)...), producer.BatchOptions{Concurrency: 1})
		if !errors.Is(err, why) || got.Stored != 1 {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// TestPostAllStoppedDuringAPut: no line is to blame for it.
func TestPostAllStoppedDuringAPut(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the reason")
	hangs := backend.Intercept(openLocal(t).Table(tableName), func(ctx context.Context, _ *backend.TableCall, _ func(context.Context) error) error {
		cancel(why)
		<-ctx.Done()
		return ctx.Err()
	})
	_, err := producer.New(hangs, options()).PostAll(ctx, numbered(conversations(1, 1)...), producer.BatchOptions{})
	if want := "stopped with 0 messages stored, 0 already there, 0 refused: the reason"; !errors.Is(err, why) || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestPostAllChecksConcurrency(t *testing.T) {
	t.Parallel()
	p := producer.New(openLocal(t).Table(tableName), options())
	for concurrency, want := range map[int]string{
		-1: "producer: option Concurrency is -1, must be 1 to 1024", 1025: "producer: option Concurrency is 1025, must be 1 to 1024",
		1: "", 1024: "",
	} {
		_, err := p.PostAll(t.Context(), numbered(message(1, 1)), producer.BatchOptions{Concurrency: concurrency})
		if (want == "") != (err == nil) || err != nil && err.Error() != want {
			t.Errorf("%d: error %v, want %q", concurrency, err, want)
		}
	}
}

// TestPostAllStoppedWhileReading says so as well: what follows was not read.
func TestPostAllStoppedWhileReading(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("the reason")
		lines := func(yield func(postroom.NumberedMessage, error) bool) {
			for m := range numbered(conversations(1, 3)...) {
				if !yield(m, nil) {
					return
				}
				synctest.Wait() // until it is posted
				cancel(why)
			}
		}
		got, err := producer.New(openLocal(t).Table(tableName), options()).PostAll(ctx, lines, producer.BatchOptions{})
		if !errors.Is(err, why) || got.Stored != 1 {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// TestF13EqualTimesAreTold: the log has messages of one time in the order of their
// uuids, and each that is in front of an earlier line names the last of those.
func TestF13EqualTimesAreTold(t *testing.T) {
	t.Parallel()
	at := func(uuid, second int) postroom.Message {
		m := message(0xa00, uuid)
		m.CreatedAt = now.Add(time.Duration(second) * time.Second)
		return m
	}
	lines := []postroom.Message{at(1, 0), at(5, 1), at(3, 1), at(7, 1), at(6, 1), at(2, 0), at(8, 2), at(4, 1)}
	want := map[int]int{3: 2, 5: 4} // not line 8: its time is an earlier one
	got := map[int]int{}
	p := producer.New(openLocal(t).Table(tableName), options())
	sum, err := p.PostAll(t.Context(), numbered(lines...), producer.BatchOptions{Report: func(o producer.Outcome) {
		if o.Before > 0 {
			got[o.Line] = o.Before
		}
	}})
	if err != nil || sum.Reordered != 2 || !maps.Equal(got, want) {
		t.Errorf("%v, %+v: lines %v come after the lines %v", err, sum, got, want)
	}
}

// TestF4OrphansNameTheFirstRefusal that would have opened their conversation, until a
// line opens it.
func TestF4OrphansNameTheFirstRefusal(t *testing.T) {
	t.Parallel()
	unreadable := func(line int, group string) *postroom.LineError {
		return &postroom.LineError{Line: line, Err: errors.New("unreadable"), GroupUUID: group, Members: true}
	}
	refused, reply := message(0xb, 1), message(0xb, 3)
	refused.Text = strings.Repeat("x", backend.MaxItemBytes)
	reply.Text = refused.Text // refused too, so nobody misses it in the log
	lines := []any{
		unreadable(1, id(0xa)), unreadable(2, id(0xa)), message(0xa, 2), message(0xa, 1), message(0xa, 3),
		refused, message(0xb, 2), reply, unreadable(9, ""), message(0xc, 2),
	}
	want := map[int]int{3: 1, 7: 6}
	got := map[int]int{}
	p := producer.New(openLocal(t).Table(tableName), options())
	sum, err := p.PostAll(t.Context(), func(yield func(postroom.NumberedMessage, error) bool) {
		for i, line := range lines {
			m, _ := line.(postroom.Message)
			err, _ := line.(error)
			if !yield(postroom.NumberedMessage{Message: m, Line: i + 1}, err) {
				return
			}
		}
	}, producer.BatchOptions{Report: func(o producer.Outcome) {
		if o.OpeningRefused > 0 {
			got[o.Line] = o.OpeningRefused
		}
	}})
	if err != nil || sum.Orphaned != 2 || sum.Refused != 5 || sum.Stored != 5 || !maps.Equal(got, want) {
		t.Errorf("%v, %+v: lines %v are orphans of refused lines, want %v", err, sum, got, want)
	}
}
