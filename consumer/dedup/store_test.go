package dedup

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

const ttl = time.Hour

// wantClaim claims id "a".
func wantClaim(t *testing.T, s Store, owner string, want Claim) {
	t.Helper()
	got, err := s.Claim(t.Context(), "a", owner, lease)
	if err != nil || got != want {
		t.Fatalf("%s claims: %+v and error %v, want %+v", owner, got, err, want)
	}
}

func TestClaimIsBusyUntilItExpires(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		wantClaim(t, s, "one", Claim{Claimed, lease})
		time.Sleep(20 * time.Second)
		wantClaim(t, s, "two", Claim{Busy, 40 * time.Second})
		time.Sleep(39 * time.Second)
		wantClaim(t, s, "two", Claim{Busy, time.Second})
		time.Sleep(time.Second)
		wantClaim(t, s, "two", Claim{Claimed, lease})
		wantClaim(t, s, "one", Claim{Busy, lease})
	})
}

func TestClaimAgainRenews(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		for range 10 {
			wantClaim(t, s, "one", Claim{Claimed, lease})
			time.Sleep(40 * time.Second)
			wantClaim(t, s, "two", Claim{Busy, 20 * time.Second})
		}
		time.Sleep(time.Hour) // a claim that ran out is still its owner's if nobody took it
		wantClaim(t, s, "one", Claim{Claimed, lease})
		wantClaim(t, s, "two", Claim{Busy, lease})
	})
}

func TestQ12RecordIsDoneForItsTimeToLive(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		wantClaim(t, s, "one", Claim{Claimed, lease})
		time.Sleep(2 * lease) // it ran out, and nobody took it
		for range 2 {         // the answer may be lost
			must(t, s.Record(t.Context(), "a", "one", ttl))
		}
		must(t, s.Release(t.Context(), "a", "one"))
		wantClaim(t, s, "one", Claim{Done, ttl})
		time.Sleep(ttl - time.Second)
		wantClaim(t, s, "two", Claim{Done, time.Second})
		time.Sleep(time.Second)
		wantClaim(t, s, "two", Claim{Claimed, lease})
	})
}

func TestQ13LateRecordIsRefused(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		wantClaim(t, s, "one", Claim{Claimed, lease})
		time.Sleep(lease)
		wantClaim(t, s, "two", Claim{Claimed, lease})
		if err := s.Record(t.Context(), "a", "one", ttl); !errors.Is(err, ErrLost) {
			t.Errorf("error %v of a late record", err)
		}
		must(t, s.Release(t.Context(), "a", "one")) // which releases nothing
		wantClaim(t, s, "three", Claim{Busy, lease})
		must(t, s.Record(t.Context(), "a", "two", ttl))
		if err := s.Record(t.Context(), "a", "one", ttl); !errors.Is(err, ErrLost) {
			t.Errorf("error %v of a record after another's", err)
		}
	})
}

// The worker that claimed an expired id failed; the late one succeeded.
func TestLateRecordOfAFreeID(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		wantClaim(t, s, "one", Claim{Claimed, lease})
		time.Sleep(lease)
		wantClaim(t, s, "two", Claim{Claimed, lease})
		must(t, s.Release(t.Context(), "a", "two"))
		must(t, s.Record(t.Context(), "a", "one", ttl))
		wantClaim(t, s, "three", Claim{Done, ttl})
	})
}

func TestReleasedIsFree(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		must(t, s.Release(t.Context(), "a", "one"))
		wantClaim(t, s, "one", Claim{Claimed, lease})
		must(t, s.Release(t.Context(), "a", "two"))
		wantClaim(t, s, "two", Claim{Busy, lease})
		for range 2 {
			must(t, s.Release(t.Context(), "a", "one"))
		}
		wantClaim(t, s, "two", Claim{Claimed, lease})
	})
}

// Of many at once one has the id, also where it was claimed, and handled, before.
func TestQ13OneOfManyClaims(t *testing.T) {
	eachStore(t, func(t *testing.T, s Store) {
		const owners = 20
		for round := range 5 {
			states := make(chan State, owners)
			for i := range owners {
				go func() {
					for {
						c, err := s.Claim(context.WithoutCancel(t.Context()), "a", fmt.Sprint(round, ".", i), lease)
						if err == nil {
							states <- c.State
							return
						}
						time.Sleep(time.Millisecond)
					}
				}()
			}
			got := map[State]int{}
			for range owners {
				got[<-states]++
			}
			if got[Claimed] != 1 || got[Busy] != owners-1 {
				t.Fatalf("round %d: %v", round, got)
			}
			time.Sleep(2 * lease)
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newMemory(t, MemoryOptions{Size: 10})
		wantClaim(t, s, "one", Claim{Claimed, lease})
		must(t, s.Record(t.Context(), "a", "one", ttl))
		for i := range 1000 {
			must(t, s.Record(t.Context(), fmt.Sprint(i), "one", ttl))
			if i == 8 {
				wantClaim(t, s, "two", Claim{Done, ttl})
			}
		}
		if n := s.ids.Len(); n != 10 {
			t.Errorf("%d ids are remembered", n)
		}
		wantClaim(t, s, "two", Claim{Claimed, lease})
	})
}

func TestMemoryOptions(t *testing.T) {
	t.Parallel()
	if _, err := NewMemory(MemoryOptions{Size: -1}); err == nil || err.Error() !=
		"dedup: option Size is -1, must be 1 to 1073741824" {
		t.Errorf("error %v", err)
	}
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	s := newMemory(t, MemoryOptions{})
	s.now = func() time.Time { return now }
	wantClaim(t, s, "one", Claim{Claimed, lease})
	now = now.Add(lease - time.Second)
	wantClaim(t, s, "two", Claim{Busy, time.Second})
}
