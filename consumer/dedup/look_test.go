package dedup

import (
	"testing"
	"time"
)

// TestLook sees what the next worker would, and changes nothing.
func TestLook(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000, 0)
	store := tableWithClock(newBackend(t).Table(control), func() time.Time { return now })
	want := func(state State) {
		t.Helper()
		if c, err := store.Look(t.Context(), "id"); err != nil || c.State != state {
			t.Errorf("the state is %v (%v), want %v", c.State, err, state)
		}
	}
	const free = State(0)
	want(free)
	if _, err := store.Claim(t.Context(), "id", "one", time.Minute); err != nil {
		t.Fatal(err)
	}
	want(Busy)
	now = now.Add(time.Minute)
	want(free)
	if err := store.Record(t.Context(), "id", "one", time.Hour); err != nil {
		t.Fatal(err)
	}
	want(Done)
	now = now.Add(time.Hour)
	want(free)
	if c, err := store.Claim(t.Context(), "id", "two", time.Minute); err != nil || c.State != Claimed {
		t.Errorf("claimed %+v (%v)", c, err)
	}
	if err := store.Release(t.Context(), "id", "two"); err != nil {
		t.Fatal(err)
	}
	want(free)
}
