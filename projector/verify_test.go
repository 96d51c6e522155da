package projector

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/projector/projection"
	"github.com/postroom/postroom/projector/verify"
)

// newVerifyRig is a table with two projected conversations and an index.
func newVerifyRig(t *testing.T) (*rig, []postroom.Message) {
	r := newRig(t)
	r.table.index = r.indexed
	ms := conversationOf(1, 3, 3)
	r.project(ms[:2]...)
	r.project(ms[2])
	r.project(conversationOf(2, 2, 2)...)
	return r, ms
}

// indexed is what the index holds of a conversation.
func (r *rig) indexed(group string) []backend.Item {
	var found []backend.Item
	for _, item := range r.store.Items("t") {
		if backend.Text(item, postroom.AttrGroupUUID) == group {
			found = append(found, item)
		}
	}
	return found
}

func (r *rig) verify(o verify.Options) (verify.Report, []verify.Difference) {
	r.t.Helper()
	var found []verify.Difference
	o.Found = func(d verify.Difference) { found = append(found, d) }
	report, err := verify.Run(r.t.Context(), r.table, o)
	if err != nil {
		r.t.Fatal(err)
	}
	if int(report.Differences) != len(found) {
		r.t.Errorf("%d differences are counted, %d reported", report.Differences, len(found))
	}
	return report, found
}

func (r *rig) row(m postroom.Message, user int) backend.Item {
	key := backend.Key{PK: postroom.InboxKey(id(1000 + user)), SK: postroom.RowKey(m.CreatedAt, m.GroupUUID)}
	item, _, err := r.store.Table("t").Get(r.t.Context(), key)
	if err != nil || item == nil {
		r.t.Fatalf("no row %v (%v)", key, err)
	}
	return cloned(item)
}

func cloned(item backend.Item) backend.Item {
	c := backend.Item{}
	for k, v := range item {
		c[k] = v
	}
	return c
}

func (r *rig) head(m postroom.Message) backend.Item {
	item, _, err := r.store.Table("t").Get(r.t.Context(), backend.Key{PK: m.GroupUUID, SK: postroom.HeadKey})
	if err != nil || item == nil {
		r.t.Fatalf("no head (%v)", err)
	}
	return cloned(item)
}

// TestF4F14VerifyCountsWhatNoInboxShows, every message once however often its
// conversation is looked at, and reports it once for each conversation, with the number
// and an example. Nothing else is amiss there.
func TestF4F14VerifyCountsWhatNoInboxShows(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.table.index = r.indexed
		ms := conversationOf(1, 60, 5)
		r.project(ms[0], ms[1])
		nonMember, unreadable, others := ms[2], ms[3].Item(), ms[4]
		nonMember.UserUUID = id(7)
		delete(unreadable, "message")
		others.Members = people(61)
		r.post(nonMember, others)
		r.put(unreadable)
		unopened, claimed := conversationOf(2, 2, 3), claim(pairOf(1)[0], 0, people(2)...)
		r.post(unopened[1:]...)
		r.post(claimed)
		report, found := r.verify(verify.Options{Index: true})
		if diff := cmp.Diff(verify.Report{Messages: 8, Conversations: 3, GroupItems: 60, Skipped: 6, Differences: 3}, report); diff != "" {
			t.Fatalf("%s%v", diff, found)
		}
		for i, want := range []struct {
			kind                 verify.Kind
			group, count, reason string
		}{
			{verify.NotShown, ms[0].GroupUUID, "shows: 3", ""},
			{verify.Stranded, unopened[0].GroupUUID, "shows: 2", projection.ErrNoMembers.Error()},
			{verify.Stranded, claimed.GroupUUID, "shows: 1", "belongs to the two people"},
		} {
			d := found[i]
			if d.Kind != want.kind || d.GroupUUID != want.group || !strings.Contains(d.Detail, want.count) ||
				!strings.Contains(d.Detail, want.reason) || !strings.Contains(d.Detail, "such as MSG#") {
				t.Errorf("%+v, want %v", d, want)
			}
		}
	})
}

// TestF4VerifyBesideAnOpeningOnItsWay: what somebody opens between the two looks is no
// difference.
func TestF4VerifyBesideAnOpeningOnItsWay(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.table.index = r.indexed
		ms := conversationOf(1, 2, 2)
		r.post(ms[1])
		timer := time.AfterFunc(time.Second, func() { r.project(ms[0], ms[1]) })
		defer timer.Stop()
		if report, found := r.verify(verify.Options{Index: true}); found != nil || report.Skipped != 0 {
			t.Errorf("%+v: %v", report, found)
		}
	})
}

// TestP1VerifyWaitsForALaggingIndex: what is right at the second look is no
// difference.
func TestP1VerifyWaitsForALaggingIndex(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r, _ := newVerifyRig(t)
		current := time.Now().Add(time.Second)
		r.table.index = func(group string) []backend.Item {
			if time.Now().Before(current) {
				return nil
			}
			return r.indexed(group)
		}
		if _, found := r.verify(verify.Options{Index: true}); found != nil {
			t.Errorf("%v", found)
		}
	})
}

// TestVerifyBesideALiveProjector: a conversation that is posted to and moved
// whenever somebody has just read it differs at every look, and is right.
func TestVerifyBesideALiveProjector(t *testing.T) {
	for name, test := range map[string]struct {
		members int
		behind  bool
	}{
		"one transaction": {members: 3},
		"chunks":          {members: 237},
		"always behind":   {members: 3, behind: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.table.index = r.indexed
				ms := conversationOf(1, test.members, 100)
				r.project(ms[0])
				next := 1
				var moving sync.Mutex
				r.table.afterQuery = func(q backend.Query) {
					if q.PK != ms[0].GroupUUID || q.Limit != 0 || !moving.TryLock() {
						return
					}
					defer moving.Unlock()
					r.project(ms[next]) // after the log was read, before the rows are
					next++
					if test.behind {
						r.post(ms[next]) // which the next look finds, and nobody has projected
					}
				}
				report, err := verify.Run(t.Context(), r.table, verify.Options{Index: true, Found: func(d verify.Difference) { t.Errorf("%+v", d) }})
				if err != nil || report.Differences > 0 {
					t.Errorf("%+v, %v", report, err)
				}
				if next < 3 {
					t.Error("nothing moved meanwhile: the test shows nothing")
				}
			})
		})
	}
}

// TestVerifyRowBeingDeleted: a move that has put and not yet deleted is given
// another while; one that stays there is a difference.
func TestVerifyRowBeingDeleted(t *testing.T) {
	for name, wait := range map[string]time.Duration{"soon": 3 * time.Second, "never": time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r, ms := newVerifyRig(t)
				r.table.index = func(group string) []backend.Item {
					return slices.DeleteFunc(r.indexed(group), func(item backend.Item) bool {
						return group == ms[0].GroupUUID && backend.KeyOf(item).SK != postroom.RowKey(ms[2].CreatedAt, group)
					})
				}
				item := r.row(ms[2], 1)
				item[backend.AttrSK] = text(postroom.RowKey(ms[1].CreatedAt, ms[1].GroupUUID))
				r.put(item)
				timer := time.AfterFunc(wait, func() { r.remove(backend.KeyOf(item)) })
				defer timer.Stop()
				_, found := r.verify(verify.Options{Index: true})
				if got, want := len(found), map[string]int{"soon": 0, "never": 1}[name]; got != want {
					t.Errorf("%v", found)
				}
			})
		})
	}
}

// TestVerifyKeepsToItsRate, in units a second; the simulation's calls cost one each.
func TestVerifyKeepsToItsRate(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		for n := 1; n <= 20; n++ {
			r.project(conversationOf(n, 2, 2)...)
		}
		var calls atomic.Int64
		table := backend.Intercept(r.table, func(ctx context.Context, _ *backend.TableCall, next func(context.Context) error) error {
			calls.Add(1)
			return next(ctx)
		})
		begin := time.Now()
		if _, err := verify.Run(t.Context(), table, verify.Options{Rate: 10}); err != nil {
			t.Fatal(err)
		}
		made, took := calls.Load(), time.Since(begin)
		if want := time.Duration(made) * time.Second / 10; made < 40 || took < want-time.Second || took > want+time.Second {
			t.Errorf("%d calls took %v", made, took)
		}
	})
}
