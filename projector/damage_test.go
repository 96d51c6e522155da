package projector

import (
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/projector/projection"
	"github.com/postroom/postroom/projector/verify"
)

// damage is something that somebody does to a table that was right, and what verify
// says of it, without the detail.
type damage struct {
	do   func(r *rig, ms []postroom.Message)
	want []verify.Difference
}

// edit puts an item with another value of an attribute; nil: without it. With another
// key it is there twice.
func (r *rig) edit(item backend.Item, name string, value types.AttributeValue) {
	r.t.Helper()
	edited := maps.Clone(item)
	if edited[name] = value; value == nil {
		delete(edited, name)
	}
	r.put(edited)
}

// atRow is a difference of a user's row, after a message.
func atRow(kind verify.Kind, m postroom.Message, user int) verify.Difference {
	return verify.Difference{
		Kind: kind, UserUUID: id(user), PK: postroom.InboxKey(id(user)), SK: postroom.RowKey(m.CreatedAt, m.GroupUUID),
	}
}

func atHead(kind verify.Kind, m postroom.Message) verify.Difference {
	return verify.Difference{Kind: kind, PK: m.GroupUUID, SK: postroom.HeadKey}
}

// damages are all kinds of damage to the conversation of [newVerifyRig].
func damages() map[string]damage {
	ms := conversationOf(1, 3, 3)
	return map[string]damage{
		"missing row": {
			func(r *rig, ms []postroom.Message) { r.remove(backend.KeyOf(r.row(ms[2], 1))) },
			[]verify.Difference{atRow(verify.Missing, ms[2], 1001)},
		},
		"stale row": {
			func(r *rig, ms []postroom.Message) { r.edit(r.row(ms[2], 1), "last_message", text("something else")) },
			[]verify.Difference{atRow(verify.Stale, ms[2], 1001)},
		},
		"wrong perspective": {
			func(r *rig, ms []postroom.Message) {
				r.edit(r.row(ms[2], 1), "other_user_display_name", text("user 1"))
			},
			[]verify.Difference{atRow(verify.WrongPerspective, ms[2], 1001)},
		},
		"unreadable row": {
			func(r *rig, ms []postroom.Message) { r.edit(r.row(ms[2], 1), "last_message", nil) },
			[]verify.Difference{atRow(verify.Unreadable, ms[2], 1001)},
		},
		"doubled row": {
			func(r *rig, ms []postroom.Message) {
				r.edit(r.row(ms[2], 1), backend.AttrSK, text(postroom.RowKey(ms[1].CreatedAt, ms[1].GroupUUID)))
			},
			[]verify.Difference{atRow(verify.Doubled, ms[1], 1001)},
		},
		"row moved": {
			func(r *rig, ms []postroom.Message) {
				item := r.row(ms[2], 1)
				r.edit(item, backend.AttrSK, text(postroom.RowKey(ms[1].CreatedAt, ms[1].GroupUUID)))
				r.remove(backend.KeyOf(item))
			},
			[]verify.Difference{atRow(verify.Missing, ms[2], 1001), atRow(verify.Doubled, ms[1], 1001)},
		},
		"row above the head": {
			func(r *rig, ms []postroom.Message) {
				r.edit(r.row(ms[2], 1), backend.AttrSK, text(postroom.RowKey(ms[2].CreatedAt.Add(time.Hour), ms[2].GroupUUID)))
			},
			[]verify.Difference{{Kind: verify.Doubled, UserUUID: id(1001), PK: "grp#" + id(1001), SK: "2000-01-01T01:00:00.000002Z#" + id(1)}},
		},
		"row of a stranger": {
			func(r *rig, ms []postroom.Message) {
				item := r.row(ms[2], 1)
				item[postroom.AttrUserUUID] = text(id(7))
				r.edit(item, backend.AttrPK, text(postroom.InboxKey(id(7))))
			},
			[]verify.Difference{atRow(verify.Orphan, ms[2], 7)},
		},
		"missing head": {
			func(r *rig, ms []postroom.Message) { r.remove(backend.KeyOf(r.head(ms[0]))) },
			[]verify.Difference{atHead(verify.HeadMissing, ms[0])},
		},
		"unreadable head": {
			func(r *rig, ms []postroom.Message) { r.edit(r.head(ms[0]), "open", text("no")) },
			[]verify.Difference{atHead(verify.Unreadable, ms[0])},
		},
		"head that would delete the rows": {
			func(r *rig, ms []postroom.Message) {
				r.edit(r.head(ms[0]), "old", text(postroom.RowKey(ms[2].CreatedAt, ms[2].GroupUUID)))
			},
			[]verify.Difference{atHead(verify.Unreadable, ms[0])},
		},
		"new message": {
			func(r *rig, ms []postroom.Message) {
				m := ms[2]
				m.MessageUUID = id(999_999)
				r.put(m.Item())
			},
			[]verify.Difference{atHead(verify.HeadBehind, ms[0])},
		},
		"head set back": {
			func(r *rig, ms []postroom.Message) {
				item := r.head(ms[0])
				item["last_message_uuid"] = text(ms[0].MessageUUID)
				delete(item, "old")
				r.edit(item, "last_reply_at", text(postroom.FormatTime(ms[0].CreatedAt)))
			},
			[]verify.Difference{atHead(verify.HeadBehind, ms[0])},
		},
		"head ahead within its microsecond": {
			func(r *rig, ms []postroom.Message) { r.edit(r.head(ms[0]), "last_message_uuid", text(id(999_999))) },
			[]verify.Difference{atHead(verify.HeadAhead, ms[0])},
		},
		"head ahead": {
			func(r *rig, ms []postroom.Message) {
				r.edit(r.head(ms[0]), "last_reply_at", text("2030-01-01T00:00:00.000000Z"))
			},
			[]verify.Difference{atHead(verify.HeadAhead, ms[0])},
		},
		"newest message gone": {
			func(r *rig, ms []postroom.Message) { r.remove(backend.Key{PK: ms[2].GroupUUID, SK: ms[2].Key()}) },
			[]verify.Difference{atHead(verify.HeadAhead, ms[0])},
		},
		"all messages gone": {
			func(r *rig, ms []postroom.Message) {
				for _, m := range ms {
					r.remove(backend.Key{PK: m.GroupUUID, SK: m.Key()})
				}
			},
			[]verify.Difference{
				atHead(verify.Orphan, ms[0]),
				atRow(verify.Orphan, ms[2], 1000), atRow(verify.Orphan, ms[2], 1001), atRow(verify.Orphan, ms[2], 1002),
			},
		},
		"rows alone": {
			func(r *rig, ms []postroom.Message) {
				r.remove(backend.KeyOf(r.head(ms[0])))
				for _, m := range ms {
					r.remove(backend.Key{PK: m.GroupUUID, SK: m.Key()})
				}
				for n := range 2 {
					r.remove(backend.KeyOf(r.row(ms[2], n)))
				}
			},
			[]verify.Difference{atRow(verify.Orphan, ms[2], 1002)},
		},
		"opener gone": {
			func(r *rig, ms []postroom.Message) { r.remove(backend.Key{PK: ms[0].GroupUUID, SK: ms[0].Key()}) },
			[]verify.Difference{{Kind: verify.OpeningLost, PK: ms[0].GroupUUID, SK: ms[0].Key()}},
		},
		"uuid twice": {
			func(r *rig, ms []postroom.Message) {
				m := ms[1]
				m.CreatedAt = m.CreatedAt.Add(-time.Hour)
				r.put(m.Item())
			},
			[]verify.Difference{{Kind: verify.UUIDTwice, PK: ms[1].GroupUUID, SK: ms[1].Key()}},
		},
		"index": {
			func(r *rig, ms []postroom.Message) {
				r.table.index = func(group string) []backend.Item {
					return slices.DeleteFunc(r.indexed(group), func(item backend.Item) bool {
						return group == ms[0].GroupUUID && backend.Text(item, postroom.AttrUserUUID) == id(1002)
					})
				}
			},
			[]verify.Difference{atRow(verify.IndexWrong, ms[2], 1002)},
		},
	}
}

// TestVerifyFindsEveryKindOfDamage, each done once to a table that was right,
// and names whom it is about, and the key.
func TestVerifyFindsEveryKindOfDamage(t *testing.T) {
	for name, d := range damages() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r, ms := newVerifyRig(t)
				d.do(r, ms)
				report, found := r.verify(verify.Options{Index: true})
				if diff := cmp.Diff(d.want, plain(t, found)); diff != "" {
					t.Error(diff)
				}
				if report.Conversations != 2 && name != "rows alone" {
					t.Errorf("%+v", report)
				}
			})
		})
	}
}

// plain returns differences without what is the same of all, or hard to foresee.
func plain(t *testing.T, found []verify.Difference) []verify.Difference {
	t.Helper()
	for i := range found {
		if found[i].Detail == "" || found[i].GroupUUID != id(1) {
			t.Errorf("%+v", found[i])
		}
		found[i].Detail, found[i].GroupUUID = "", ""
	}
	return found
}

// TestRepairMendsEveryKindOfDamage that is not in the log or the index, also if it is
// done again minutes later, found by a scan with and without the index, or by the
// conversation alone. Nobody is notified. What cannot be repaired is said again.
func TestRepairMendsEveryKindOfDamage(t *testing.T) {
	for scope, o := range map[string]verify.Options{
		"all": {Index: true}, "all, no index": {}, "group": {Index: true, Groups: []string{id(1)}}, "group, no index": {Groups: []string{id(1)}},
	} {
		for name, d := range damages() {
			if slices.Contains([]string{"row of a stranger", "rows alone", "all messages gone", "index"}, name) && !o.Index {
				continue // found by the index or a scan alone
			}
			t.Run(scope+"/"+name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					r, ms := newVerifyRig(t)
					sent := r.sent()
					for range 2 {
						d.do(r, slices.Clone(ms))
						r.repairAll(o, d.want)
						if name == "new message" || name == "newest message gone" || len(r.rows(id(1))) == 0 {
							break // there is no second time
						}
					}
					if r.sent() != sent {
						t.Errorf("%d notifications were sent", r.sent()-sent)
					}
				})
			})
		}
	}
}

// repairAll repairs what there is to repair, and checks that the rest is left, and
// that every member has one row.
func (r *rig) repairAll(o verify.Options, want []verify.Difference) {
	r.t.Helper()
	o.Repair = true
	report, found := r.verify(o)
	var left []verify.Difference
	for i, d := range want {
		want[i].Repaired = d.Kind.Repairable()
		if !d.Kind.Repairable() {
			left = append(left, d)
		}
	}
	if diff := cmp.Diff(want, plain(r.t, found)); diff != "" {
		r.t.Error(diff)
	}
	if int(report.Repaired) != len(want)-len(left) {
		r.t.Errorf("%d of %d differences are repaired, want all but %d", report.Repaired, report.Differences, len(left))
	}
	if _, found := r.verify(verify.Options{Index: true}); !cmp.Equal(left, plain(r.t, found)) {
		r.t.Errorf("left is %+v, want %+v", found, left)
	}
	if _, err := projection.New(r.table).Load(r.t.Context(), id(2)); err != nil {
		r.t.Error(err) // the other conversation is as it was
	}
}
