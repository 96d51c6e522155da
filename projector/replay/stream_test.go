package replay

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/stream"
)

// postFor posts messages for some time, a minute apart, each with the time at which it is
// posted; now and then one that is an hour older, as one that was imported.
func (r *rig) postFor(d time.Duration) (all []postroom.Message) {
	for n := range int(d / time.Minute) {
		time.Sleep(time.Minute)
		m := postroom.Message{
			GroupUUID: id(n % 17), MessageUUID: id(n), UserUUID: id(1), DisplayName: "user 1", Handle: "@1",
			Text: "hello", CreatedAt: time.Now().UTC().Truncate(time.Microsecond),
		}
		if n%29 == 28 {
			m.CreatedAt = m.CreatedAt.Add(-time.Hour)
		}
		r.put(m.Item())
		all = append(all, m)
	}
	return all
}

// createRecent stores a replay of what was posted between two ages, through the stream.
func (r *rig) createRecent(from, to time.Duration, rate int) (one Replay, want func([]postroom.Message) []postroom.Message) {
	r.t.Helper()
	now := time.Now()
	d := Definition{Name: "one", Begin: now.Add(-from), End: now.Add(-to), Rate: rate, Queue: "q"}
	n, err := CountStream(r.t.Context(), r.store.Stream("t"), d, func(int64) {})
	if err != nil {
		r.t.Fatal(err)
	}
	one, err = New(d, Stream, n, now)
	if err == nil {
		one, err = Create(r.t.Context(), r.store.Table("control"), one)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return one, func(all []postroom.Message) (in []postroom.Message) {
		for _, m := range all {
			if d.covers(m.CreatedAt) {
				in = append(in, m)
			}
		}
		return in
	}
}

func (r *rig) groups() (names []string) {
	r.t.Helper()
	for _, g := range r.readGroups() {
		names = append(names, g.Group)
	}
	return names
}

func (r *rig) readGroups() []stream.GroupStatus {
	r.t.Helper()
	groups, err := stream.ReadGroups(r.t.Context(), r.store.Stream("t"), r.store.Table("control"))
	if err != nil {
		r.t.Fatal(err)
	}
	return groups
}

// allRead reports whether the group of the replay has read all of it.
func (r *rig) allRead() bool {
	return slices.ContainsFunc(r.readGroups(), func(g stream.GroupStatus) bool { return g.Group == "replay-one" && !g.DoneAt.IsZero() })
}

// readStream has the default group read the stream for a minute.
func (r *rig) readStream() {
	r.t.Helper()
	ctx, stop := context.WithTimeout(r.t.Context(), time.Minute)
	defer stop()
	reader := stream.NewReader(r.store.Stream("t"), r.store.Table("control"), func(context.Context, []*stream.Record) error { return nil },
		stream.Options{OnDataLoss: func(context.Context, *stream.DataLossError) error { return nil }})
	if err := reader.Run(ctx); err != nil {
		r.t.Error(err)
	}
}

// TestReplayThroughTheStream: the messages of the range, by their own times, and nothing
// of the group is left afterwards. What is posted meanwhile is not replayed.
func TestReplayThroughTheStream(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		all := r.postFor(10 * time.Hour)
		one, in := r.createRecent(5*time.Hour, time.Hour, 100)
		want := in(all)
		if one.Total != int64(len(want)) || one.Source != Stream {
			t.Errorf("%+v, want %d", one, len(want))
		}
		ended := make(chan error, 2)
		for range 2 {
			go func() { ended <- (&worker{rig: r}).run(t.Context(), "one") }()
		}
		for range 2 {
			r.postFor(time.Minute)
			if now := r.load(); now.State != Done && time.Since(now.UpdatedAt) > 2*time.Second {
				t.Errorf("it was written %v ago", time.Since(now.UpdatedAt))
			}
		}
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		r.wantDone(want)
		if groups := r.groups(); len(groups) > 0 {
			t.Errorf("left are the groups %v", groups)
		}
	})
}

// TestReplayLosesTheStream while it is stopped: then it goes through the log.
func TestReplayLosesTheStream(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		all := r.postFor(10 * time.Hour)
		_, in := r.createRecent(9*time.Hour, 0, 1)
		want := in(all)
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		if err := (&worker{rig: r}).run(ctx, "one"); err != nil {
			t.Fatal(err)
		}
		if n := r.load().Counts.Replayed; n == 0 || n > 70 {
			t.Errorf("%d are replayed within a minute", n)
		}
		time.Sleep(20 * time.Hour)
		if err := (&worker{rig: r}).run(t.Context(), "one"); err != nil {
			t.Fatal(err)
		}
		if source := r.load().Source; source != Log {
			t.Errorf("it went through the %s", source)
		}
		r.wantDone(want)
		if err := Forget(t.Context(), r.store.Stream("t"), r.store.Table("control")); err != nil {
			t.Fatal(err)
		}
		if groups := r.groups(); len(groups) > 0 {
			t.Errorf("left are the groups %v", groups)
		}
	})
}

// TestReplayWithoutAPlace: another group reads the stream already.
func TestReplayWithoutAPlace(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		all := r.postFor(5 * time.Hour)
		ctx, stop := context.WithCancel(t.Context())
		other := stream.NewReader(r.store.Stream("t"), r.store.Table("control"), func(context.Context, []*stream.Record) error { return nil },
			stream.Options{Group: "other", Start: stream.Start{Latest: true}})
		ended := make(chan error, 1)
		go func() { ended <- other.Run(ctx) }()
		time.Sleep(10 * time.Second)
		_, in := r.createRecent(4*time.Hour, 0, 100)
		if err := (&worker{rig: r}).run(t.Context(), "one"); err != nil {
			t.Fatal(err)
		}
		if source := r.load().Source; source != Log {
			t.Errorf("it went through the %s", source)
		}
		r.wantDone(in(all))
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestReplayStoppedInTheStream ends, and goes on where it was.
func TestReplayStoppedInTheStream(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		all := r.postFor(5 * time.Hour)
		_, in := r.createRecent(4*time.Hour, 0, 2)
		ended := make(chan error, 1)
		go func() { ended <- (&worker{rig: r}).run(t.Context(), "one") }()
		time.Sleep(20 * time.Second)
		begun := time.Now()
		if _, err := Stop(t.Context(), r.store.Table("control"), "one"); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; !errors.Is(err, ErrStopped) || time.Since(begun) > 4*time.Second {
			t.Errorf("%v, after %v", err, time.Since(begun))
		}
		before := len(r.submitted)
		if before < 20 || before > 60 {
			t.Errorf("%d are replayed", before)
		}
		if _, err := Resume(t.Context(), r.store.Table("control"), "one", 1000); err != nil {
			t.Fatal(err)
		}
		if err := (&worker{rig: r}).run(t.Context(), "one"); err != nil {
			t.Fatal(err)
		}
		if one := r.load(); one.State != Done || one.Source != Stream || len(r.submitted) != len(in(all)) {
			t.Errorf("%+v, %d are replayed of %d", one, len(r.submitted), len(in(all)))
		}
	})
}

// TestReplayStoppedAtItsEnd: it has its place in the stream then, and nothing is replayed
// twice once it is resumed.
func TestReplayStoppedAtItsEnd(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		all := r.postFor(2 * time.Hour)
		_, in := r.createRecent(time.Hour, 0, 100)
		control := r.store.Table("control")
		var stopped atomic.Bool
		w := &worker{rig: r}
		w.call = func(_ *backend.TableCall, next func(context.Context) error) error {
			var err error
			if r.allRead() && stopped.CompareAndSwap(false, true) {
				_, err = Stop(t.Context(), control, "one")
			}
			return errors.Join(err, next(t.Context()))
		}
		if err := w.run(t.Context(), "one"); !errors.Is(err, ErrStopped) {
			t.Error(err)
		}
		if _, err := Resume(t.Context(), control, "one", 0); err != nil {
			t.Fatal(err)
		}
		if err := (&worker{rig: r}).run(t.Context(), "one"); err != nil {
			t.Fatal(err)
		}
		r.wantDone(in(all))
		if groups := r.groups(); len(groups) > 0 {
			t.Errorf("left are the groups %v", groups)
		}
	})
}

// TestKilledReplaysAreNoReaders: what a worker that was killed has left among the groups of
// the stream is removed once its replay is done, and keeps no other replay from the stream.
func TestKilledReplaysAreNoReaders(t *testing.T) {
	for name, doneFirst := range map[string]bool{"done": true, "given up": false} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.readStream()
				r.postFor(3 * time.Hour)
				_, _ = r.createRecent(time.Hour, 0, 100)
				var running sync.WaitGroup
				for n := range 2 {
					running.Go(func() {
						r.runUntil(func() bool {
							now := r.load()
							if n == 0 && doneFirst {
								return now.State == Done
							}
							return now.Counts.Replayed > 0 && (!doneFirst || r.allRead())
						})
					})
				}
				running.Wait()
				if groups := r.groups(); !slices.Contains(groups, "replay-one") {
					t.Fatalf("left are the groups %v", groups)
				}
				time.Sleep(10 * time.Minute)
				s, control := r.store.Stream("t"), r.store.Table("control")
				d := Definition{Name: "two", Begin: time.Now().Add(-time.Hour)}
				if source, err := Choose(t.Context(), s, control, d, 0, time.Now()); source != Stream || err != nil {
					t.Errorf("another replay reads the %s, %v", source, err)
				}
				if err := Forget(t.Context(), s, control); err != nil {
					t.Error(err)
				}
				if left := slices.Contains(r.groups(), "replay-one"); left == doneFirst {
					t.Errorf("left are the groups %v", r.groups())
				}
			})
		})
	}
}

// runUntil has a worker carry a replay out that is killed once something holds.
func (r *rig) runUntil(killed func() bool) {
	ctx, stop := context.WithCancel(r.t.Context())
	defer stop()
	w := &worker{rig: r}
	w.call = func(_ *backend.TableCall, next func(context.Context) error) error {
		err := next(r.t.Context())
		if killed() {
			w.mu.Lock()
			w.dead = true
			w.mu.Unlock()
			stop()
		}
		return err
	}
	if err := w.run(ctx, "one"); err != nil {
		r.t.Error(err)
	}
}

// TestReplayKilledInTheStream: whatever dies or freezes, each message is replayed.
func TestReplayKilledInTheStream(t *testing.T) {
	for seed := range *seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				rng := rand.New(rand.NewPCG(uint64(seed), 7))
				all := r.postFor(time.Duration(60+rng.IntN(100)) * time.Minute)
				_, in := r.createRecent(time.Duration(40+rng.IntN(100))*time.Minute, time.Duration(rng.IntN(30))*time.Minute, 2+rng.IntN(20))
				killInTheStream(t, r, rng)
				for _, m := range in(all) {
					if r.submitted[m.GroupUUID+m.Key()] == 0 {
						t.Errorf("the message at %v was not replayed", m.CreatedAt)
					}
				}
				// A message that comes again may be counted again; none is missing.
				if one := r.load(); one.Counts.Replayed < one.Total || len(r.submitted) != len(in(all)) || one.Total != int64(len(in(all))) || one.Source != Stream {
					t.Errorf("%d messages were replayed, want %d: %+v", len(r.submitted), len(in(all)), one)
				}
			})
		})
	}
}

func killInTheStream(t *testing.T, r *rig, rng *rand.Rand) {
	var running sync.WaitGroup
	for r.load().State != Done {
		w := &worker{rig: r, delay: delays(rng)}
		w.call = faults(rng, 60)
		ctx, stop := context.WithCancel(t.Context())
		running.Go(func() {
			if err := w.run(ctx, "one"); err != nil {
				t.Errorf("Run: %v", err)
			}
		})
		length := time.Duration(rng.IntN(20_000)) * time.Millisecond
		if rng.IntN(4) == 0 {
			length += 2 * time.Minute // it takes one of a shard's silence to find that it holds no more
		}
		dies := rng.IntN(4) > 0
		running.Go(func() {
			time.Sleep(length)
			w.mu.Lock()
			w.dead = dies
			w.mu.Unlock()
			stop()
		})
		time.Sleep(length / time.Duration(1+rng.IntN(2)))
	}
	running.Wait()
}

// TestWhatIsRead: the stream, where it holds all of it for certain.
func TestWhatIsRead(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		s, control := r.store.Stream("t"), r.store.Table("control")
		choose := func(want Source, d Definition, left time.Duration) {
			t.Helper()
			if got, err := Choose(t.Context(), s, control, d, left, time.Now()); got != want || err != nil {
				t.Errorf("%s, %v, want %s", got, err, want)
			}
		}
		since := func(age time.Duration) Definition { return Definition{Name: "one", Begin: time.Now().Add(-age)} }
		time.Sleep(48 * time.Hour)
		choose(Log, since(time.Hour), 0) // nobody has read the stream: it may be new
		r.readStream()
		time.Sleep(2*time.Hour - time.Minute)
		choose(Stream, since(time.Hour), time.Hour)
		choose(Log, since(2*time.Hour), 0) // it may have been switched on then
		choose(Log, since(time.Hour), 22*time.Hour)
		choose(Log, Definition{Name: "one", Begin: time.Now().Add(-time.Hour), Users: []string{id(1)}}, 0)
		time.Sleep(48 * time.Hour)
		choose(Stream, since(21*time.Hour), 0)
		choose(Log, since(23*time.Hour), 0)
	})
}

// TestReplayFromARecord of the stream.
func TestReplayFromARecord(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		all := r.postFor(10 * time.Minute)
		s := r.store.Stream("t")
		page, err := s.Shards(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		var found int
		for _, shard := range page.Shards {
			var records []backend.Record
			err := readShard(t.Context(), s, page.StreamARN, shard.ID, backend.Position{Type: backend.TrimHorizon}, func(r *backend.Record) bool {
				records = append(records, *r)
				return true
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range records {
				got, err := ReadRecord(t.Context(), s, shard.ID, want.Sequence)
				if err != nil || got.Key != want.Key || got.Sequence != want.Sequence {
					t.Errorf("%+v, %v, want %+v", got, err, want)
				}
				found++
			}
		}
		if found < len(all) {
			t.Errorf("%d records", found)
		}
		if _, err := ReadRecord(t.Context(), s, page.Shards[0].ID, "1"); err == nil {
			t.Error("a record that is not there is found")
		}
		if _, err := ReadRecord(t.Context(), s, "nowhere", "1"); !errors.Is(err, stream.ErrStart) || !strings.Contains(err.Error(), "give a time") {
			t.Errorf("of a shard that is not there: %v", err)
		}
	})
}
