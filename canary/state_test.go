package canary

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/fuzz"
	"github.com/postroom/postroom/internal/item"
)

// failed is the state after a canary that failed.
func failed() State {
	at := time.Date(2026, 5, 21, 10, 30, 0, 250_000_000, time.UTC)
	s := State{Name: "eu-1", Session: "0000000a-0000-4000-8000-000000000000", Host: "host:17", Every: time.Minute, Delivers: true}
	s.add(Result{
		MessageUUID: "0000000b-0000-4000-8000-000000000000", PostedAt: at, Visible: 20 * time.Millisecond, Stage: Delivered,
		Err: errors.New("nobody has handled it"),
	}, at.Add(time.Second), 30*time.Second)
	return s
}

func arrived() State {
	s := failed()
	s.add(Result{
		MessageUUID: "0000000c-0000-4000-8000-000000000000", PostedAt: s.Last.PostedAt.Add(time.Minute),
		Visible: 20 * time.Millisecond, Delivered: 1001 * time.Microsecond,
	}, s.UpdatedAt.Add(time.Minute), 30*time.Second)
	return s
}

func TestStateInARow(t *testing.T) {
	t.Parallel()
	s := failed()
	first := s.Last.PostedAt
	s.add(Result{Stage: Post, Err: errors.New(strings.Repeat("x", 5000))}, s.UpdatedAt.Add(time.Minute), 30*time.Second)
	if s.InARow != 2 || !s.FailingSince.Equal(first) || s.Last.MessageUUID != "" || s.Last.PostedAt.IsZero() || len(s.Last.Error) > 2000 {
		t.Errorf("%+v", s)
	}
	if s := arrived(); s.InARow != 0 || !s.FailingSince.IsZero() || s.Last.Error != "" || s.ArrivedAt != s.Last.PostedAt {
		t.Errorf("%+v", s)
	}
}

func TestStateComesBack(t *testing.T) {
	t.Parallel()
	for _, s := range []State{failed(), arrived()} {
		got, err := decode(s.encode())
		if d := cmp.Diff(s, got); d != "" || err != nil {
			t.Errorf("%v\n%s", err, d)
		}
	}
}

// A damaged state is named, and deleted by a repair; one of a newer format is neither.
func TestDamagedState(t *testing.T) {
	t.Parallel()
	good := failed().encode()
	for name, damage := range map[string]func(backend.Item){
		"SK":                 func(it backend.Item) { it[backend.AttrSK] = item.String("eu-1") },
		attrEvery:            func(it backend.Item) { it[attrEvery] = item.Int(1 << 52) },
		attrStage:            func(it backend.Item) { it[attrStage] = item.String("lunch") },
		attrInARow:           func(it backend.Item) { it[attrInARow] = item.Int(0) },
		attrFailing:          func(it backend.Item) { it[attrFailing] = item.Time(time.Time{}) },
		attrMessage:          func(it backend.Item) { it[attrMessage] = item.String("7") },
		attrDue:              func(it backend.Item) { it[attrDue] = item.Time(time.Unix(1, 0)) },
		attrPosted:           func(it backend.Item) { it[attrPosted] = item.String("today") },
		attrHost:             func(it backend.Item) { delete(it, attrHost) },
		item.AttrFormat + "": func(it backend.Item) { delete(it, item.AttrFormat) },
	} {
		it := failed().encode()
		damage(it)
		r, err := Repair(it)
		if err != nil || r == nil || r.Put != nil || !strings.Contains(r.Damaged.Err.Error(), name) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	newer := failed().encode()
	newer[item.AttrFormat] = item.Int(format + 1)
	if r, err := Repair(newer); r != nil || err == nil {
		t.Errorf("a newer format: %+v, %v", r, err)
	}
	other := item.New(backend.Key{PK: "LEADER", SK: "LEADER"}, 1)
	for _, it := range []backend.Item{good, other} {
		if r, err := Repair(it); r != nil || err != nil {
			t.Errorf("%v: %+v, %v", it, r, err)
		}
	}
}

// A process that was killed is shown for a day, and then it is not; one that is damaged is
// named, and hides nobody.
func TestCanaryKilled(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		now := time.Now()
		old, killed, damaged := failed(), failed(), failed()
		old.DueAt, old.UpdatedAt, old.Name = now.Add(-25*time.Hour), now.Add(-26*time.Hour), "old"
		killed.DueAt, killed.UpdatedAt = now.Add(-23*time.Hour), now.Add(-24*time.Hour)
		damaged.Name = "damaged"
		for _, s := range []State{old, killed, damaged} {
			it := s.encode()
			delete(it, attrExpires) // the table may have no time to live
			if s.Name == "damaged" {
				delete(it, attrStage)
			}
			if _, err := r.control().Put(t.Context(), it, backend.Condition{}); err != nil {
				t.Fatal(err)
			}
		}
		all, bad, err := ReadStates(t.Context(), r.control(), now)
		if len(all) != 1 || all[0].Name != killed.Name || len(bad) != 1 || err != nil {
			t.Errorf("%+v, %v, %v", all, bad, err)
		}
	})
}

// A state is damaged, or comes back as it was.
func FuzzState(f *testing.F) {
	fuzz.Items(f, func(it backend.Item) (backend.Item, error) {
		s, err := decode(it)
		if err != nil {
			return nil, err
		}
		encoded := s.encode()
		delete(encoded, attrExpires) // it is not read
		if it[attrExpires] != nil {
			encoded[attrExpires] = it[attrExpires]
		}
		if _, err := Repair(it); err != nil {
			return nil, fmt.Errorf("Repair: %w", err)
		}
		return encoded, nil
	}, failed().encode(), arrived().encode())
}

func TestIsCanary(t *testing.T) {
	t.Parallel()
	a, b := postroom.CanaryGroup("a"), postroom.CanaryGroup("b")
	if a == b || postroom.CheckUUID(a) != nil || !postroom.IsCanary(a) || !postroom.IsCanary(b) || postroom.IsDerived(a) {
		t.Errorf("%s, %s", a, b)
	}
	if a != "ca9a2a00-0000-5000-a114-81d84d93bb18" {
		t.Errorf("the conversation of the canary a is another one now: %s", a)
	}
	for _, other := range []string{sender("a").UserUUID, postroom.PairUUID(sender("a").UserUUID, recipient("a").UserUUID), ""} {
		if postroom.IsCanary(other) {
			t.Errorf("%q is a canary's conversation", other)
		}
	}
	if err := opening("a").Validate(); err != nil {
		t.Error(err)
	}
}
