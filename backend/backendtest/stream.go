package backendtest

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/postroom/postroom/backend"
)

// RunStream tests a backend's streams against the sentences of
// [github.com/postroom/postroom/backend.Stream]. See [Run] for open.
func RunStream(t *testing.T, open func(t *testing.T) Harness) {
	runAll(t, open, slices.Concat(recordTests(), positionTests(), shardTests(), childrenTests()))
}

// newStream creates a table with a stream.
func newStream(t *testing.T, h Harness) (backend.Table, backend.Stream) {
	t.Helper()
	name := create(t, h, newSpec(withStream, withIndex))
	return h.Backend.Table(name), h.Backend.Stream(name)
}

func recordTests() []test {
	return []test{
		{"a table without a stream is KindNotFound", func(t *testing.T, h Harness) {
			name := create(t, h, newSpec())
			_, err := h.Backend.Stream(name).Shards(t.Context(), "")
			wantKind(t, err, backend.KindNotFound)
		}},
		{"each change of an item is a record, in the order of the changes", testChanges},
		{"a record carries the image of the item, of every type", func(t *testing.T, h Harness) {
			table, stream := newStream(t, h)
			item := itemOfAllTypes()
			put(t, table, item)
			r := newReader(stream)
			r.readUntil(t, h, 1)
			wantImage(t, r.all[0], item)
			if size := int64(backend.ItemBytes(item)); r.all[0].SizeBytes < size {
				t.Errorf("size %d is less than that of the image, %d", r.all[0].SizeBytes, size)
			}
			if r.all[0].CreatedAt.IsZero() {
				t.Error("the record has no time")
			}
		}},
		{"NewImage decodes anew at each call", func(t *testing.T, h Harness) {
			table, stream := newStream(t, h)
			item := newItem("p", "s", "v", "1")
			put(t, table, item)
			r := newReader(stream)
			r.readUntil(t, h, 1)
			image, err := r.all[0].NewImage()
			must(t, err)
			clear(image)
			wantImage(t, r.all[0], item)
		}},
		{"batches and transactions leave a record for each item; checks and deletions of missing items leave none", func(t *testing.T, h Harness) {
			table, stream := newStream(t, h)
			writeAll(t, table, []backend.Write{
				{Put: newItem("p", "1")}, {Put: newItem("q", "2")}, {Delete: backend.Key{PK: "p", SK: "missing"}},
			})
			transact(t, table,
				backend.Action{Put: newItem("p", "3")},
				backend.Action{Put: newItem("q", "4")},
				backend.Action{Check: backend.Key{PK: "p", SK: "1"}, Condition: backend.Condition{Equals: newItem("p", "1")}})
			writeAll(t, table, []backend.Write{{Delete: backend.Key{PK: "p", SK: "1"}}})
			r := newReader(stream)
			r.readUntil(t, h, 5)
			var got []string
			for _, rec := range r.all {
				got = append(got, string(rec.Event)+rec.Key.SK)
			}
			wantEqual(t, sorted(got), []string{"INSERT1", "INSERT2", "INSERT3", "INSERT4", "REMOVE1"})
		}},
		{"a refused write leaves no record", func(t *testing.T, h Harness) {
			table, stream := newStream(t, h)
			put(t, table, newItem("p", "s", "v", "1"))
			_, err := table.Put(t.Context(), newItem("p", "s", "v", "2"), backend.Condition{Absent: true})
			wantKind(t, err, backend.KindConditionFailed)
			_, err = table.Transact(t.Context(), uniqueName("t"), []backend.Action{
				{Put: newItem("p", "other")},
				{Put: newItem("p", "s", "v", "2"), Condition: backend.Condition{Absent: true}},
			})
			wantKind(t, err, backend.KindConditionFailed)
			put(t, table, newItem("p", "s", "v", "3"))
			r := newReader(stream)
			r.readUntil(t, h, 2)
			wantImage(t, r.all[1], newItem("p", "s", "v", "3"))
		}},
		{"a put that changes nothing leaves no record", func(t *testing.T, h Harness) {
			if lacks(t, h.Capabilities.NoOpWritesSilent, "NoOpWritesSilent") {
				return
			}
			table, stream := newStream(t, h)
			put(t, table, itemOfAllTypes(), itemOfAllTypes(), newItem("p", "s", "v", "2"))
			r := newReader(stream)
			r.readUntil(t, h, 2)
		}},
		{"sequence numbers grow within a shard, and event ids are unique", testSequence},
		{"Changed reports records that are appended after the call", func(t *testing.T, h Harness) {
			table, stream := newStream(t, h)
			changed := stream.Changed()
			if lacks(t, changed != nil, "TellsChanges") {
				if h.Capabilities.TellsChanges {
					t.Error("Changed is nil, though the backend is said to tell")
				}
				return
			}
			select {
			case <-changed:
				t.Fatal("closed before anything was appended")
			default:
			}
			put(t, table, newItem("p", "s"))
			select {
			case <-changed:
			case <-time.After(patience):
				t.Fatal("not closed though a record was appended")
			}
		}},
		{"a call of a stream returns soon after its context is done", func(t *testing.T, h Harness) {
			_, stream := newStream(t, h)
			shards, arn := listShards(t, stream)
			it, err := stream.Iterator(t.Context(), arn, shards[0].ID, backend.Position{})
			must(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, listed := stream.Shards(ctx, "")
			_, found := stream.Children(ctx, arn, shards[0].ID)
			_, opened := stream.Iterator(ctx, arn, shards[0].ID, backend.Position{})
			_, read := stream.Records(ctx, it, 1)
			for _, err := range []error{listed, found, opened, read} {
				if !errors.Is(err, context.Canceled) {
					t.Errorf("with a cancelled context: %v", err)
				}
			}
		}},
	}
}

func testChanges(t *testing.T, h Harness) {
	table, stream := newStream(t, h)
	put(t, table, newItem("p", "s", "v", "1"), newItem("p", "s", "v", "2"))
	writeAll(t, table, []backend.Write{{Delete: backend.Key{PK: "p", SK: "s"}}})
	put(t, table, newItem("p", "s", "v", "3"))
	r := newReader(stream)
	r.readUntil(t, h, 4)
	for i, want := range []struct {
		event backend.EventName
		image backend.Item
	}{
		{backend.Insert, newItem("p", "s", "v", "1")},
		{backend.Modify, newItem("p", "s", "v", "2")},
		{backend.Remove, nil},
		{backend.Insert, newItem("p", "s", "v", "3")},
	} {
		wantEqual(t, r.all[i].Event, want.event)
		wantEqual(t, r.all[i].Key, backend.Key{PK: "p", SK: "s"})
		wantImage(t, r.all[i], want.image)
	}
}

func wantImage(t *testing.T, r backend.Record, want backend.Item) {
	t.Helper()
	image, err := r.NewImage()
	must(t, err)
	wantEqual(t, image, want)
}

func testSequence(t *testing.T, h Harness) {
	table, stream := newStream(t, h)
	const records = 40
	for i := range records {
		put(t, table, newItem(fmt.Sprint("p", i%4), fmt.Sprint(i)))
	}
	r := newReader(stream)
	r.readUntil(t, h, records)
	number := regexp.MustCompile(`^[0-9]{1,40}$`)
	events := map[string]bool{}
	for _, shard := range r.shards {
		last := ""
		for _, rec := range r.byShard[shard.ID] {
			if !number.MatchString(rec.Sequence) {
				t.Errorf("sequence number %q is not a number of up to 40 digits", rec.Sequence)
			}
			if backend.CompareSequence(last, rec.Sequence) >= 0 {
				t.Errorf("sequence number %s comes after %s", rec.Sequence, last)
			}
			if events[rec.EventID] || rec.EventID == "" {
				t.Errorf("event id %q is empty or there twice", rec.EventID)
			}
			last, events[rec.EventID] = rec.Sequence, true
		}
	}
}

func shardTests() []test {
	return []test{
		{"the listing shows every shard once, and at least one open shard", func(t *testing.T, h Harness) {
			_, stream := newStream(t, h)
			shards, arn := listShards(t, stream)
			if len(shards) == 0 || arn == "" {
				t.Fatalf("%d shards, ARN %q", len(shards), arn)
			}
			var ids []string
			for _, shard := range shards {
				ids = append(ids, shard.ID)
			}
			wantEqual(t, len(slices.Compact(sorted(ids))), len(ids))
			page, err := stream.Shards(t.Context(), shards[0].ID)
			must(t, err)
			if slices.ContainsFunc(page.Shards, func(s backend.Shard) bool { return s.ID == shards[0].ID }) {
				t.Errorf("the listing after %s shows it again", shards[0].ID)
			}
		}},
		{"an empty page of an open shard is not its end", func(t *testing.T, h Harness) {
			_, stream := newStream(t, h)
			r := newReader(stream)
			for range 3 {
				r.poll(t)
			}
			for id, ended := range r.ended {
				if ended {
					t.Errorf("shard %s ended", id)
				}
			}
		}},
		{"S1 S2 shards roll and split: every record is read once, each item's in order, parents first", testLineage},
		{"S24 a table that was deleted and created again has a new stream, without the old records", func(t *testing.T, h Harness) {
			spec := newSpec(withStream)
			table, stream := h.Backend.Table(create(t, h, spec)), h.Backend.Stream(spec.Name)
			put(t, table, newItem("p", "old"))
			_, before := listShards(t, stream)
			must(t, h.Backend.DeleteTable(t.Context(), spec.Name))
			if h.Advance != nil {
				h.Advance(time.Second)
			}
			must(t, h.Backend.CreateTable(t.Context(), spec))
			put(t, table, newItem("p", "new"))
			r := newReader(stream)
			r.readUntil(t, h, 1)
			wantEqual(t, r.all[0].Key.SK, "new")
			if _, after := listShards(t, stream); after == before {
				t.Errorf("both streams are %s", after)
			}
		}},
	}
}

// testLineage writes from several goroutines while a reader reads.
func testLineage(t *testing.T, h Harness) {
	table, stream := newStream(t, h)
	const writers, each = 5, 120
	var g errgroup.Group
	for w := range writers {
		g.Go(func() error {
			for i := 1; i <= each; i++ {
				item := newItem(fmt.Sprint("p", w), "s", "v", strconv.Itoa(i))
				if _, err := table.Put(t.Context(), item, backend.Condition{}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	r := newReader(stream)
	r.limit = 17
	r.poll(t)
	must(t, g.Wait())
	r.readUntil(t, h, writers*each)

	last := map[string]int{}
	for _, rec := range r.all {
		image, err := rec.NewImage()
		must(t, err)
		v, err := strconv.Atoi(backend.Text(image, "v"))
		must(t, err)
		if v != last[rec.Key.PK]+1 {
			t.Fatalf("change %d of item %s was read after change %d", v, rec.Key.PK, last[rec.Key.PK])
		}
		last[rec.Key.PK] = v
	}
	parents := map[string]bool{}
	for _, shard := range r.shards {
		parents[shard.Parent] = true
	}
	delete(parents, "")
	if !lacks(t, h.Capabilities.Rolls, "Rolls") && len(parents) == 0 {
		t.Errorf("no shard of %d has a parent after %d records", len(r.shards), len(r.all))
	}
	if !lacks(t, h.Capabilities.ManyShards, "ManyShards") && len(r.shards)-len(parents) < 2 {
		t.Errorf("of %d shards %d have children: the others are not several", len(r.shards), len(parents))
	}
}
