package dedup

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/backendtest"
	"github.com/postroom/postroom/internal/item"
)

// What an item looks like, which another version has to understand.
func TestItems(t *testing.T) {
	bubble(t, func(t *testing.T) {
		table := newBackend(t).Table(control)
		s := NewTable(table)
		time.Sleep(time.Second / 2) // since times are rounded up
		wants := func(state, expires string) {
			t.Helper()
			item, _, err := table.Get(t.Context(), backend.Key{PK: "dedup#a", SK: "ID"})
			must(t, err)
			got, err := backend.EncodeItem(item)
			must(t, err)
			want := fmt.Sprintf(`{"PK":{"S":"dedup#a"},"SK":{"S":"ID"},"expires_at":{"N":%q},"format":{"N":"1"},"owner":{"S":"one"},"state":{"S":%q}}`,
				expires, state)
			if diff := cmp.Diff(want, string(got)); diff != "" {
				t.Error(diff)
			}
		}
		wantClaim(t, s, "one", Claim{Claimed, lease + time.Second/2})
		wants("claimed", "946684861")
		must(t, s.Release(t.Context(), "a", "one"))
		wants("released", "946684801")
		must(t, s.Record(t.Context(), "a", "one", ttl))
		wants("done", "946688401")
	})
}

// The documentation's costs.
func TestUnits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var meter backend.Meter
		s := NewTable(meter.Table(newBackend(t).Table(control)))
		next := &sink{}
		h := newHandler(t, next, s, Options{})
		id := strings.Repeat("a", MaxID-350)
		costs := func(what string, want float64, fails bool) {
			t.Helper()
			before := meter.Units()
			if err := h.Handle(t.Context(), message(id)); (err != nil) != fails {
				t.Fatalf("%s: error %v", what, err)
			}
			if got := meter.Units(); got.Write-before.Write != want || got.Read != 0 {
				t.Errorf("%s takes %v units more than %v, want %v", what, got, before, want)
			}
		}
		costs("a notification", 2, false)
		costs("a repetition", 1, false)
		time.Sleep(25 * time.Hour)
		next.do = takes(25 * time.Second)
		costs("a slow one after the time to live", 2+2+1, false)
		time.Sleep(25 * time.Hour)
		next.do = fails
		costs("a failure after the time to live", 2+1, true)
		next.do = nil
		costs("one after a failure", 2+1, false)
	})
}

// Whatever answers are lost, and however often throttled, an id is handled once.
func TestQ13LostAnswersAndThrottling(t *testing.T) {
	for name, fault := range map[string]backendtest.Fault{
		"lost answers": {LoseAnswer: true},
		"throttling":   {Kind: backend.KindThrottled},
		"conflicts":    {Kind: backend.KindConflict},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				n := 0
				s := NewTable(faultyTable(newBackend(t), func() backendtest.Fault {
					if n++; n%5 > 1 { // three of five go wrong
						return fault
					}
					return backendtest.Fault{}
				}))
				next := &sink{}
				h := newHandler(t, next, s, Options{})
				handle := func() {
					t.Helper()
					must(t, h.Handle(t.Context(), message("a")))
				}
				handle()
				handle()
				next.wants(t, 1)
				time.Sleep(25 * time.Hour)
				handle()
				handle()
				next.wants(t, 2)
				wantStats(t, h, Stats{Claimed: 2, Dropped: 2})
			})
		})
	}
}

// Two find an id that is free again; the one that writes first has it.
func TestQ13RaceForAnExpiredClaim(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBackend(t)
		faster := NewTable(b.Table(control))
		puts := 0
		slower := NewTable(faultyTable(b, func() backendtest.Fault {
			if puts++; puts == 2 {
				wantClaim(t, faster, "faster", Claim{Claimed, lease})
			}
			return backendtest.Fault{}
		}))
		wantClaim(t, faster, "dead", Claim{Claimed, lease})
		time.Sleep(lease)
		wantClaim(t, slower, "slower", Claim{Busy, lease})
		if puts != 2 {
			t.Errorf("%d puts", puts)
		}
	})
}

// Who loses every race gets to try again, and does not spin.
func TestRacesEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBackend(t)
		puts := 0
		s := NewTable(faultyTable(b, func() backendtest.Fault {
			puts++
			other := entry{owner: fmt.Sprint(puts), status: released, expires: time.Now()}
			_, err := b.Table(control).Put(t.Context(), other.encode("a"), backend.Condition{})
			must(t, err)
			return backendtest.Fault{}
		}))
		_, err := s.Claim(t.Context(), "a", "one", lease)
		if backend.KindOf(err) != backend.KindConflict || !backend.Retryable(err) || puts != 5 {
			t.Errorf("error %v after %d puts", err, puts)
		}
	})
}

// The table's time to live removes an item between two looks.
func TestRemovedBetweenLooks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBackend(t)
		puts := 0
		s := NewTable(faultyTable(b, func() backendtest.Fault {
			if puts++; puts == 2 {
				_, _, err := b.Table(control).BatchWrite(t.Context(), []backend.Write{{Delete: backend.Key{PK: "dedup#a", SK: "ID"}}})
				must(t, err)
			}
			return backendtest.Fault{}
		}))
		wantClaim(t, NewTable(b.Table(control)), "dead", Claim{Claimed, lease})
		time.Sleep(lease)
		wantClaim(t, s, "one", Claim{Claimed, lease})
		if puts != 3 {
			t.Errorf("%d puts", puts)
		}
	})
}

func TestItemNotUnderstood(t *testing.T) {
	bubble(t, func(t *testing.T) {
		table := newBackend(t).Table(control)
		good := entry{owner: "one", status: done, expires: time.Now()}.encode("a")
		for _, c := range []struct {
			name  string
			value types.AttributeValue
			want  string
		}{
			{attrState, item.String("asleep"), `attribute state: unknown state "asleep"`},
			{ExpiresAt, item.String("soon"), "attribute expires_at: "},
			{item.AttrFormat, item.Int(2), "it has format 2, and this program knows formats up to 1: use a newer program"},
		} {
			bad := maps.Clone(good)
			bad[c.name] = c.value
			_, err := table.Put(t.Context(), bad, backend.Condition{})
			must(t, err)
			_, err = NewTable(table).Claim(t.Context(), "a", "two", lease)
			if backend.KindOf(err) != backend.KindInvalid || !strings.Contains(err.Error(), `item "dedup#a", "ID"`) ||
				!strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "; if you delete the item, its id is handled again") {
				t.Errorf("error %v", err)
			}
		}
	})
}

// An item that is damaged is deleted, and no other one.
func TestRepair(t *testing.T) {
	t.Parallel()
	good := entry{owner: "one", status: claimed, expires: time.Now()}.encode("a")
	with := func(it backend.Item, name string, v types.AttributeValue) backend.Item {
		it = maps.Clone(it)
		it[name] = v
		return it
	}
	damaged := with(good, attrState, item.String("unknown"))
	for name, c := range map[string]struct {
		item    backend.Item
		repairs bool
		fails   bool
	}{
		"good":           {item: good},
		"damaged":        {item: damaged, repairs: true},
		"somebody's":     {item: with(damaged, backend.AttrPK, item.String("other#a"))},
		"a newer format": {item: with(good, item.AttrFormat, item.Int(format+1)), fails: true},
	} {
		repair, err := Repair(c.item)
		if (repair != nil) != c.repairs || (err != nil) != c.fails || repair != nil && repair.Put != nil {
			t.Errorf("%s: %+v, %v", name, repair, err)
		}
	}
}

// A worker whose clock is ahead takes nobody's claim while it is ahead by less
// than two thirds of a lease; beyond that an id is handled twice, and not lost.
func TestQ13ClocksApart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		table := newBackend(t).Table(control)
		ran := make(chan string, 10)
		worker := func(name string, ahead time.Duration, takes time.Duration) *Handler {
			now := func() time.Time { return time.Now().Add(ahead) }
			return newHandler(t, &sink{do: func(ctx context.Context) error {
				ran <- name
				select {
				case <-time.After(takes):
					return nil
				case <-ctx.Done():
					return fmt.Errorf("%s: %w", name, context.Cause(ctx))
				}
			}}, tableWithClock(table, now), Options{})
		}
		slow := worker("slow", 0, 10*time.Minute)
		ahead, astray := worker("ahead", 39*time.Second, 0), worker("astray", 41*time.Second, time.Minute)
		done := make(chan error)
		go func() { done <- slow.Handle(t.Context(), message("a")) }()
		for range 100 {
			time.Sleep(time.Second)
			if ahead.Handle(t.Context(), message("a")) == nil {
				t.Fatal("an id was claimed while its claim was being renewed")
			}
		}
		time.Sleep(19 * time.Second) // a second before the renewal
		must(t, astray.Handle(t.Context(), message("a")))
		if err := <-done; err == nil || !strings.HasSuffix(err.Error(), ErrLost.Error()) {
			t.Errorf("error %v of who lost the claim", err)
		}
		must(t, slow.Handle(t.Context(), message("a")))
		if first, second := <-ran, <-ran; first != "slow" || second != "astray" || len(ran) > 0 {
			t.Errorf("%s and %s ran, and %d more", first, second, len(ran))
		}
		wantStats(t, slow, Stats{Claimed: 1, Lost: 1, Dropped: 1})
	})
}
