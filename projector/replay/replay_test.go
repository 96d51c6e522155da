package replay

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/internal/views"
)

func text(s string) types.AttributeValue { return item.String(s) }

// TestWhatIsReplayed: the messages between two times, the first of them included, of all
// conversations, of some, of those of some users, or of those that are both.
func TestWhatIsReplayed(t *testing.T) {
	for name, c := range map[string]struct {
		groups, users []string
		want          func(group int) bool
	}{
		"all":         {nil, nil, func(int) bool { return true }},
		"some":        {[]string{id(2), id(7), id(9)}, nil, func(group int) bool { return group == 2 || group == 7 || group == 9 }},
		"of users":    {nil, []string{id(50), id(51)}, func(group int) bool { return group < 5 }},
		"both":        {[]string{id(2), id(7)}, []string{id(50), id(51)}, func(group int) bool { return group == 2 }},
		"of a nobody": {nil, []string{id(52)}, func(int) bool { return false }},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				var want []postroom.Message
				for n := range 3000 {
					group := n % 10
					m := r.post(group, n/10)
					m.MessageUUID = id(n)
					r.put(m.Item()) // beside the first one of that time
					if n >= 600 && n < 1800 && c.want(group) {
						want = append(want, m)
					}
				}
				want = distinct(r, want)
				for group := range 5 {
					r.row(50+group%2, group)
				}
				r.create(func(d *Definition) { d.Groups, d.Users = c.groups, c.users })
				if err := (&worker{rig: r}).run(t.Context(), "one"); err != nil {
					t.Fatal(err)
				}
				r.wantDone(want)
			})
		})
	}
}

// distinct returns the messages of the log that are in conversations and at times of some.
func distinct(r *rig, some []postroom.Message) (all []postroom.Message) {
	at := map[string]bool{}
	for _, m := range some {
		at[m.GroupUUID+postroom.FormatTime(m.CreatedAt)] = true
	}
	for _, it := range r.store.Items("t") {
		if m, err := postroom.MessageFromItem(it); err == nil && at[m.GroupUUID+postroom.FormatTime(m.CreatedAt)] {
			all = append(all, m)
		}
	}
	return all
}

// TestReplayAtItsRate takes as long as it says.
func TestReplayAtItsRate(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		for n := range 180 {
			r.post(n%7, n)
		}
		one := r.create(func(d *Definition) { d.Rate = 10 })
		if one.Left() != 12*time.Second {
			t.Errorf("%v left", one.Left())
		}
		begun := time.Now()
		if err := (&worker{rig: r}).run(t.Context(), "one"); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun).Round(time.Second); took != 12*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// TestReplayQuarantines what cannot be decoded, and counts it.
func TestReplayQuarantines(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		for n := range 180 {
			r.post(n%7, n)
		}
		broken := r.post(1, 100).Item()
		delete(broken, "message")
		r.put(broken)
		r.create(nil)
		if err := (&worker{rig: r}).run(t.Context(), "one"); err != nil {
			t.Fatal(err)
		}
		if one := r.load(); one.State != Done || one.Counts != (Counts{Replayed: 121, Projected: 120, Notified: 240, Quarantined: 1}) {
			t.Errorf("%+v", one)
		}
	})
}

// slow posts messages of three hours, and creates a replay of the last two at ten a second.
func (r *rig) slow() (want []postroom.Message) {
	for n := range 180 {
		if m := r.post(n%7, n); n >= 60 {
			want = append(want, m)
		}
	}
	r.create(func(d *Definition) { d.Rate = 10 })
	return want
}

// TestReplayStoppedAndResumed, at another rate: it ends within seconds, and goes on where
// it was.
func TestReplayStoppedAndResumed(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		want := r.slow()
		ended := make(chan error, 2)
		for range 2 {
			go func() { ended <- (&worker{rig: r}).run(t.Context(), "one") }()
		}
		time.Sleep(6 * time.Second)
		begun := time.Now()
		control := r.store.Table("control")
		if one, err := Stop(t.Context(), control, "one"); err != nil || one.State != Stopped {
			t.Fatalf("%+v, %v", one, err)
		}
		for range 2 {
			if err := <-ended; !errors.Is(err, ErrStopped) || time.Since(begun) > 3*time.Second {
				t.Errorf("%v, after %v", err, time.Since(begun))
			}
		}
		if n := r.load().Counts.Replayed; n < 40 || n > 70 {
			t.Errorf("%d are replayed", n)
		}
		if _, err := Resume(t.Context(), control, "one", 1000); err != nil {
			t.Fatal(err)
		}
		begun = time.Now()
		if err := (&worker{rig: r}).run(t.Context(), "one"); err != nil || time.Since(begun) > 2*time.Second {
			t.Fatalf("%v, after %v", err, time.Since(begun))
		}
		r.wantDone(want)
		for _, change := range []func() (Replay, error){
			func() (Replay, error) { return Stop(t.Context(), control, "one") },
			func() (Replay, error) { return Resume(t.Context(), control, "one", 0) },
		} {
			if one, err := change(); !errors.Is(err, ErrDone) || one.State != Done {
				t.Errorf("%+v, %v", one, err)
			}
		}
	})
}

// TestReplayFasterWhileItRuns: another rate counts at once, for whoever carries it out.
func TestReplayFasterWhileItRuns(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		for n := range 180 {
			r.post(n%7, n)
		}
		r.create(func(d *Definition) { d.Rate = 1 })
		ended := make(chan error, 1)
		begun := time.Now()
		go func() { ended <- (&worker{rig: r}).run(t.Context(), "one") }()
		time.Sleep(10 * time.Second)
		if _, err := Resume(t.Context(), r.store.Table("control"), "one", 1000); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err != nil || time.Since(begun) > 14*time.Second {
			t.Errorf("%v, after %v", err, time.Since(begun))
		}
	})
}

// TestReplayJoined: a command that goes on with a replay which runs does not hold it up.
func TestReplayJoined(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		want := r.slow()
		ended := make(chan error, 2)
		begun := time.Now()
		for range 2 {
			if _, err := Resume(t.Context(), r.store.Table("control"), "one", 0); err != nil {
				t.Fatal(err)
			}
			go func() { ended <- (&worker{rig: r}).run(t.Context(), "one") }()
			time.Sleep(5 * time.Second)
		}
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(begun); took > 14*time.Second {
			t.Errorf("it took %v", took)
		}
		r.wantDone(want)
	})
}

// TestReplayCreatedTwice is one replay if it is the same, and otherwise an error that says
// what differs.
func TestReplayCreatedTwice(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		one := r.create(nil)
		control := r.store.Table("control")
		for want, change := range map[string]func(*Replay){
			"":         func(r *Replay) { r.Begin, r.End, r.Total = r.Begin.Add(1), r.End.Add(1), 7 }, // an age, given later
			"--from":   func(r *Replay) { r.From, r.Begin = "other", r.Begin.Add(1) },
			"--to":     func(r *Replay) { r.To, r.End = "other", r.End.Add(1) },
			"--group":  func(r *Replay) { r.Groups = []string{id(1)} },
			"--user":   func(r *Replay) { r.Users = []string{id(1)} },
			"--notify": func(r *Replay) { r.Notify = true },
			"--rate":   func(r *Replay) { r.Rate = 1 },
			"--queue":  func(r *Replay) { r.Queue = "other" },
		} {
			other := one
			change(&other)
			found, err := Create(t.Context(), control, other)
			var differs *DiffersError
			switch {
			case want == "" && (err != nil || !found.Begin.Equal(one.Begin)):
				t.Errorf("%+v, %v", found, err)
			case want != "" && (!errors.As(err, &differs) || differs.Difference != want):
				t.Errorf("%v, want %s", err, want)
			}
		}
	})
}

// TestReplayRefused says what cannot be.
func TestReplayRefused(t *testing.T) {
	t.Parallel()
	good := Definition{Name: "one", Begin: start, End: start.Add(1), Rate: 1}
	for want, change := range map[string]func(*Definition){
		"name of a replay":   func(d *Definition) { d.Name = "a/b" },
		"must be 1 to":       func(d *Definition) { d.Rate = MaxRate + 1 },
		"nothing is between": func(d *Definition) { d.End = d.Begin },
		"101 users":          func(d *Definition) { d.Users = make([]string, 101) },
		"attribute groups":   func(d *Definition) { d.Groups = []string{"x"} },
	} {
		d := good
		change(&d)
		if _, err := New(d, Log, 0, start); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestReplayResumedTooFast is refused, and goes on as it is.
func TestReplayResumedTooFast(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		one := r.create(nil)
		for _, rate := range []int{-1, MaxRate + 1} {
			if _, err := Resume(t.Context(), r.store.Table("control"), "one", rate); err == nil || !strings.Contains(err.Error(), "must be 0 to") {
				t.Errorf("at a rate of %d: %v", rate, err)
			}
		}
		if now := r.load(); now.Rate != one.Rate {
			t.Errorf("%+v", now)
		}
	})
}

// TestDamagedReplay is left aside, named, and removed by a repair; the others go on.
func TestDamagedReplay(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		one := r.create(nil)
		broken := one.encode()
		broken[backend.AttrSK], broken[attrRate] = text("two"), text("fast")
		control := r.store.Table("control")
		if _, err := control.Put(t.Context(), broken, backend.Condition{}); err != nil {
			t.Fatal(err)
		}
		all, damaged, err := List(t.Context(), control)
		if err != nil || len(all) != 1 || len(damaged) != 1 || !strings.Contains(damaged[0].Error(), `"replay", "two" is damaged: attribute rate`) {
			t.Errorf("%+v, %v, %v", all, damaged, err)
		}
		if _, err := Load(t.Context(), control, "two"); err == nil || !strings.Contains(err.Error(), "postroom repair") {
			t.Errorf("loaded: %v", err)
		}
		if m, err := Repair(broken); err != nil || m == nil || m.Put != nil {
			t.Errorf("repaired by %+v, %v", m, err)
		}
		if m, err := Repair(one.encode()); err != nil || m != nil {
			t.Errorf("a good one is repaired by %+v, %v", m, err)
		}
		var gone *NotFoundError
		if err := (&worker{rig: r}).run(t.Context(), "three"); !errors.As(err, &gone) {
			t.Errorf("%v", err)
		}
		ctx, stop := context.WithCancel(t.Context())
		stop()
		if err := (&worker{rig: r}).run(ctx, "one"); err != nil {
			t.Errorf("with a context that is done: %v", err)
		}
	})
}

// TestReplayOfUsersByTheLiveView: a user's conversations are those in the list that readers
// read.
func TestReplayOfUsersByTheLiveView(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		want := []postroom.Message{r.post(1, 70), r.post(1, 80)}
		r.post(2, 75)
		r.row(50, 2) // in the default view
		table := r.store.Table("t")
		v, err := views.Add(t.Context(), table, postroom.View{Name: "next", Format: postroom.PlainRows}, time.Now())
		if err == nil {
			err = views.Filled(t.Context(), table, v.Name, v.Since)
		}
		if err == nil {
			_, err = views.Switch(t.Context(), table, v.Name)
		}
		if err != nil {
			t.Fatal(err)
		}
		r.put(backend.Item{
			backend.AttrPK: text(v.InboxKey(id(50))), backend.AttrSK: text(postroom.RowKey(start, id(1))),
		})
		r.create(func(d *Definition) { d.Users = []string{id(50)} })
		if err := (&worker{rig: r}).run(t.Context(), "one"); err != nil {
			t.Fatal(err)
		}
		r.wantDone(want)
	})
}

// TestFrozenReplaySubmitsNothing: a worker that gets no answer for longer than it takes
// another to take over stops submitting before that, and ends beside it.
func TestFrozenReplaySubmitsNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		var want []postroom.Message
		for n := range 1000 {
			if m := r.post(n%7, n); n >= 60 {
				want = append(want, m)
			}
		}
		r.create(func(d *Definition) { d.Rate, d.End = 10, start.Add(1000*time.Minute) })
		begun := time.Now()
		frozen := &worker{rig: r}
		frozen.call = func(_ *backend.TableCall, next func(context.Context) error) error {
			if at := time.Since(begun); at > 10*time.Second && at < 60*time.Second {
				time.Sleep(time.Minute - at)
			}
			return next(context.Background())
		}
		ended := make(chan error, 2)
		go func() { ended <- frozen.run(t.Context(), "one") }()
		time.Sleep(14 * time.Second)
		before := r.replayed()
		time.Sleep(40 * time.Second)
		if after := r.replayed(); after != before {
			t.Errorf("%d messages were submitted without an answer", after-before)
		}
		go func() { ended <- (&worker{rig: r}).run(t.Context(), "one") }()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		r.wantDone(want)
	})
}
