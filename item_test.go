package postroom_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"pgregory.net/rapid"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
)

func TestItemsRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := messages().Draw(t, "message")
		item := m.Item()
		if _, ok := item[postroom.AttrGroupUUID]; ok {
			t.Fatal("a message would be in the index of the group rows")
		}
		if key := backend.KeyOf(item); key != (backend.Key{PK: m.GroupUUID, SK: m.Key()}) {
			t.Fatalf("key %v", key)
		}
		got, err := postroom.MessageFromItem(item)
		if err != nil || !reflect.DeepEqual(got, m) {
			t.Fatalf("%v\n got %+v\nwant %+v", err, got, m)
		}
		members := membersOf(2, 4).Draw(t, "members")
		for _, g := range postroom.Groups(m, members) {
			row := g.Item()
			row["of_a_later_version"] = &types.AttributeValueMemberBOOL{Value: true}
			got, err := postroom.GroupFromItem(row)
			if err != nil || got != g {
				t.Fatalf("%v\n got %+v\nwant %+v", err, got, g)
			}
		}
	})
}

// TestMalformedTraceParent is not there: a message does not depend on its trace.
func TestMalformedTraceParent(t *testing.T) {
	t.Parallel()
	const good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for _, v := range []types.AttributeValue{
		s(""), s(good[1:]), s(good + "0"), s(strings.ToUpper(good)), s(strings.Repeat("\u202e", 55)), n("1"), nil,
	} {
		item := messageBy(person(1)).Item()
		item["traceparent"] = v
		if got, err := postroom.MessageFromItem(item); err != nil || got.TraceParent != "" {
			t.Errorf("%v: %q (%v)", v, got.TraceParent, err)
		}
	}
	m := messageBy(person(1))
	m.TraceParent = good
	if got, err := postroom.MessageFromItem(m.Item()); err != nil || got.TraceParent != good {
		t.Errorf("%q (%v)", got.TraceParent, err)
	}
	if event := postroom.NewNotification("t", m, id(2)).Encode(); !strings.Contains(event, `"traceparent":"`+good+`"`) {
		t.Errorf("the notification is %s", event)
	}
}

func s(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
func n(v string) types.AttributeValue { return &types.AttributeValueMemberN{Value: v} }

func TestP15DamagedMessages(t *testing.T) {
	t.Parallel()
	opening := messageBy(person(1))
	opening.Members = people(2)
	for name := range opening.Item() {
		for damage, value := range map[string]types.AttributeValue{
			"missing": nil, "empty": s(""), "number": n("1"), "null": &types.AttributeValueMemberNULL{Value: true},
			"binary": &types.AttributeValueMemberB{Value: []byte("x")}, "not UTF-8": s("\xff"),
			"list of text": &types.AttributeValueMemberL{Value: []types.AttributeValue{s("x")}},
			"list of nil":  &types.AttributeValueMemberL{Value: []types.AttributeValue{nil}},
			"empty list":   &types.AttributeValueMemberL{},
			"list of empty maps": &types.AttributeValueMemberL{Value: []types.AttributeValue{
				&types.AttributeValueMemberM{},
			}},
		} {
			if name == "message" && damage == "empty" {
				continue // a message may have no text
			}
			item := opening.Item()
			item[name] = value
			if value == nil {
				if name == "members" {
					continue // a message may come without
				}
				delete(item, name)
			}
			if m, err := postroom.MessageFromItem(item); err == nil {
				t.Errorf("%s %s: taken for %+v", name, damage, m)
			}
		}
	}
}

func TestItemsAtOddsWithTheirKey(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"message_uuid": id(9), "created_at": "2026-05-21T10:30:00.000001Z", "PK": "grp#" + id(1), "SK": postroom.HeadKey,
	} {
		item := messageBy(person(1)).Item()
		item[name] = s(value)
		if m, err := postroom.MessageFromItem(item); err == nil {
			t.Errorf("message with %s %s is taken for %+v", name, value, m)
		}
	}
	row := postroom.Groups(messageBy(person(1)), people(2))[0]
	for name, value := range map[string]types.AttributeValue{
		"user_uuid": s(id(9)), "message_group_uuid": s(id(9)), "PK": s(id(1)), "SK": s("x"),
		"member_count": s("2"), "last_message": n("2"), "other_user_uuid": n("2"),
	} {
		item := row.Item()
		item[name] = value
		if g, err := postroom.GroupFromItem(item); err == nil || !strings.Contains(err.Error(), "attribute") && name != "SK" {
			t.Errorf("row with %s is taken for %+v, error %v", name, g, err)
		}
	}
	item := row.Item()
	item["member_count"] = n("2.5")
	if g, err := postroom.GroupFromItem(item); err == nil {
		t.Errorf("half a member is taken for %+v", g)
	}
}
