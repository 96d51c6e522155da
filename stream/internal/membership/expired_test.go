package membership

import (
	"errors"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
)

// expires ends a session, and leaves its heartbeat.
func (r *rig) expires(h *Heartbeat) {
	r.t.Helper()
	w := h.item
	w.Expired, w.Counter = true, -1
	if err := h.Table.Put(r.t.Context(), w.Encode(h.ID), backend.Condition{}); err != nil {
		r.t.Error(err)
	}
}

// longestMillis is what a time.Duration holds.
const longestMillis = math.MaxInt64 / 1_000_000

// TestF18HeartbeatThatCannotBeRenewed: whatever stands for its counter or its session,
// the session that is named by the key does not live on.
func TestF18HeartbeatThatCannotBeRenewed(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]types.AttributeValue{
		attrCounter: &types.AttributeValueMemberN{Value: "1.5"}, attrSession: item.String("another"), attrLeaseMillis: item.Int(longestMillis + 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			one, two := r.joins("one"), r.joins("two")
			it := two.item.Encode(two.ID)
			it[name] = damage
			if w, err := DecodeWorker(it); err != nil || w.Damaged == nil || !strings.Contains(w.Damaged.Error(), name) {
				t.Errorf("it is read as %+v: %v", w, err)
			}
			if err := two.Table.Put(t.Context(), it, backend.Condition{}); err != nil {
				t.Fatal(err)
			}
			g := saw(one, two, time.Hour)
			if name == attrCounter {
				g.detector[two.Self.Session] = observation{silent: time.Hour, at: time.Now()}
			}
			if live, err := g.Live(t.Context()); len(live) != 1 || err != nil {
				t.Errorf("alive are %v: %v", live, err)
			}
			if err := two.Beat(t.Context()); !errors.Is(err, ErrExpired) {
				t.Errorf("its session sends a heartbeat: %v", err)
			}
		})
	}
}

func TestLongestLeaseDuration(t *testing.T) {
	t.Parallel()
	one := newRig(t).joins("one")
	it := one.item.Encode(one.ID)
	it[attrLeaseMillis] = item.Int(longestMillis)
	if w, err := DecodeWorker(it); err != nil || w.Damaged != nil || w.LeaseDuration != longestMillis*time.Millisecond {
		t.Errorf("it is read as %+v: %v", w, err)
	}
}

// TestF2DestinationOfADeadGroup: an expired session keeps nobody from changing it, and
// changes it no more itself.
func TestF2DestinationOfADeadGroup(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	one, two := r.joins("one"), r.joins("two")
	settle := func(h *Heartbeat, want string) (bool, error) {
		return NewGroup(h, slog.New(slog.DiscardHandler)).Settle(t.Context(), want)
	}
	if done, err := settle(one, "queue a"); !done || err != nil {
		t.Fatal(done, err)
	}
	r.expires(one)
	if err := two.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	if may, err := NewGroup(two, slog.New(slog.DiscardHandler)).MayJoin(t.Context(), "queue b"); !may || err != nil {
		t.Errorf("with an expired session alone another destination may join: %v, %v", may, err)
	}
	if _, err := settle(one, "queue b"); !errors.Is(err, ErrExpired) {
		t.Errorf("an expired session changes the destination: %v", err)
	}
}
