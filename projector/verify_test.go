package projector

import (
	"slices"
	"strings"
	"sync"
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

func (r *rig) verify() (verify.Report, []verify.Difference) {
	r.t.Helper()
	var found []verify.Difference
	report, err := verify.Run(r.t.Context(), r.table, verify.Options{Index: true, Found: func(d verify.Difference) { found = append(found, d) }})
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

// TestVerifyFindsEveryKindOfDamage, each done once to a table that was right,
// and names whom it is about.
func TestVerifyFindsEveryKindOfDamage(t *testing.T) {
	for name, test := range map[string]struct {
		damage func(r *rig, ms []postroom.Message)
		want   []verify.Difference // without the detail
	}{
		"nothing": {func(*rig, []postroom.Message) {}, nil},
		"missing row": {
			func(r *rig, ms []postroom.Message) { r.remove(backend.KeyOf(r.row(ms[2], 1))) },
			[]verify.Difference{{Kind: verify.RowMissing, UserUUID: id(1001)}, {Kind: verify.IndexWrong, UserUUID: id(1001)}},
		},
		"wrong row": {
			func(r *rig, ms []postroom.Message) {
				item := r.row(ms[2], 1)
				item["last_message"] = text("something else")
				r.put(item)
			},
			[]verify.Difference{{Kind: verify.RowWrong, UserUUID: id(1001)}},
		},
		"unreadable row": {
			func(r *rig, ms []postroom.Message) {
				item := r.row(ms[2], 1)
				delete(item, "last_message")
				r.put(item)
			},
			[]verify.Difference{{Kind: verify.Unreadable, UserUUID: id(1001)}},
		},
		"row left behind": {
			func(r *rig, ms []postroom.Message) {
				item := r.row(ms[2], 1)
				item[backend.AttrSK] = text(postroom.RowKey(ms[1].CreatedAt, ms[1].GroupUUID))
				r.put(item)
			},
			[]verify.Difference{{Kind: verify.IndexWrong, UserUUID: id(1001)}, {Kind: verify.RowStray, UserUUID: id(1001)}},
		},
		"row of no member": {
			func(r *rig, ms []postroom.Message) {
				item := r.row(ms[2], 1)
				item[backend.AttrPK], item[postroom.AttrUserUUID] = text(postroom.InboxKey(id(7))), text(id(7))
				r.put(item)
			},
			[]verify.Difference{{Kind: verify.IndexWrong, UserUUID: id(7)}, {Kind: verify.RowStray, UserUUID: id(7)}},
		},
		"missing head": {
			func(r *rig, ms []postroom.Message) { r.remove(backend.KeyOf(r.head(ms[0]))) },
			[]verify.Difference{
				{Kind: verify.HeadMissing},
				{Kind: verify.RowStray, UserUUID: id(1000)}, {Kind: verify.RowStray, UserUUID: id(1001)}, {Kind: verify.RowStray, UserUUID: id(1002)},
			},
		},
		"head behind": {
			func(r *rig, ms []postroom.Message) {
				m := ms[2]
				m.MessageUUID = id(999_999)
				r.put(m.Item())
			},
			[]verify.Difference{{Kind: verify.HeadWrong}},
		},
		"head ahead": {
			func(r *rig, ms []postroom.Message) {
				item := r.head(ms[0])
				item["last_message_uuid"] = text(id(999_999))
				r.put(item)
			},
			[]verify.Difference{{Kind: verify.HeadWrong}},
		},
		"opener gone": {
			func(r *rig, ms []postroom.Message) { r.remove(backend.Key{PK: ms[0].GroupUUID, SK: ms[0].Key()}) },
			[]verify.Difference{
				{Kind: verify.HeadWrong},
				{Kind: verify.RowStray, UserUUID: id(1000)}, {Kind: verify.RowStray, UserUUID: id(1001)}, {Kind: verify.RowStray, UserUUID: id(1002)},
			},
		},
		"uuid twice": {
			func(r *rig, ms []postroom.Message) {
				m := ms[1]
				m.CreatedAt = m.CreatedAt.Add(-time.Hour)
				r.put(m.Item())
			},
			[]verify.Difference{{Kind: verify.UUIDTwice, UserUUID: id(1000)}},
		},
		"index": {
			func(r *rig, ms []postroom.Message) {
				r.table.index = func(group string) []backend.Item {
					return slices.DeleteFunc(r.indexed(group), func(item backend.Item) bool {
						return group == ms[0].GroupUUID && backend.Text(item, postroom.AttrUserUUID) == id(1002)
					})
				}
			},
			[]verify.Difference{{Kind: verify.IndexWrong, UserUUID: id(1002)}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r, ms := newVerifyRig(t)
				test.damage(r, ms)
				report, found := r.verify()
				for i := range found {
					if found[i].Detail == "" || found[i].GroupUUID != ms[0].GroupUUID {
						t.Errorf("%+v", found[i])
					}
					found[i].Detail, found[i].GroupUUID = "", ""
				}
				if diff := cmp.Diff(test.want, found); diff != "" {
					t.Error(diff)
				}
				if report.Conversations != 2 {
					t.Errorf("%+v", report)
				}
			})
		})
	}
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
		report, found := r.verify()
		if diff := cmp.Diff(verify.Report{Messages: 8, Conversations: 3, GroupItems: 60, Skipped: 6, Differences: 3}, report); diff != "" {
			t.Fatalf("%s%v", diff, found)
		}
		for i, want := range []struct{ group, count, reason string }{
			{ms[0].GroupUUID, "shows: 3", ""},
			{unopened[0].GroupUUID, "shows: 2", projection.ErrNoMembers.Error()},
			{claimed.GroupUUID, "shows: 1", "belongs to the two people"},
		} {
			d := found[i]
			if d.Kind != verify.NotShown || d.GroupUUID != want.group || !strings.Contains(d.Detail, want.count) ||
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
		if report, found := r.verify(); found != nil || report.Skipped != 0 {
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
		if _, found := r.verify(); found != nil {
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
				_, found := r.verify()
				if got, want := len(found), map[string]int{"soon": 0, "never": 1}[name]; got != want {
					t.Errorf("%v", found)
				}
			})
		})
	}
}
