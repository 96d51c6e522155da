package postroom

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Names of the table's attributes.
const (
	attrPK = "PK"
	attrSK = "SK"

	AttrGroupUUID = "message_group_uuid"
	AttrUserUUID  = "user_uuid"

	attrMessageUUID     = "message_uuid"
	attrDisplayName     = "display_name"
	attrHandle          = "handle"
	attrMessage         = "message"
	attrCreatedAt       = "created_at"
	attrMembers         = "members"
	attrTraceParent     = "traceparent"
	attrOtherUUID       = "other_user_uuid"
	attrOtherName       = "other_user_display_name"
	attrOtherHandle     = "other_user_handle"
	attrLastMessage     = "last_message"
	attrLastMessageUser = "last_message_user_uuid"
	attrLastMessageUUID = "last_message_uuid"
	attrMemberCount     = "member_count"
)

// Item returns m as it is stored in the log. It has no message_group_uuid: that
// attribute would put it into the index of inbox entries.
func (m Message) Item() map[string]types.AttributeValue {
	item := map[string]types.AttributeValue{
		attrPK:          text(m.GroupUUID),
		attrSK:          text(m.Key()),
		attrMessageUUID: text(m.MessageUUID),
		AttrUserUUID:    text(m.UserUUID),
		attrDisplayName: text(m.DisplayName),
		attrHandle:      text(m.Handle),
		attrMessage:     text(m.Text),
		attrCreatedAt:   text(FormatTime(m.CreatedAt)),
	}
	if m.TraceParent != "" {
		item[attrTraceParent] = text(m.TraceParent)
	}
	if m.Members != nil {
		list := make([]types.AttributeValue, len(m.Members))
		for i, p := range m.Members {
			list[i] = &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{
				AttrUserUUID:    text(p.UserUUID),
				attrDisplayName: text(p.DisplayName),
				attrHandle:      text(p.Handle),
			}}
		}
		item[attrMembers] = &types.AttributeValueMemberL{Value: list}
	}
	return item
}

// MessageFromItem decodes a message of the log. The error names the attribute that is
// missing, invalid, of another type, or contradicts the key.
func MessageFromItem(item map[string]types.AttributeValue) (Message, error) {
	r := reader{item: item}
	createdAt, messageUUID, err := ParseMessageKey(r.text(attrSK))
	if r.err == nil {
		r.err = err
	}
	m := Message{
		GroupUUID:   r.text(attrPK),
		MessageUUID: messageUUID,
		UserUUID:    r.text(AttrUserUUID),
		DisplayName: r.text(attrDisplayName),
		Handle:      r.text(attrHandle),
		Text:        r.text(attrMessage),
		CreatedAt:   createdAt,
		Members:     r.members(),
		TraceParent: r.traceParent(),
	}
	r.same(attrMessageUUID, messageUUID)
	r.same(attrCreatedAt, FormatTime(createdAt))
	if r.err != nil {
		return Message{}, r.err
	}
	if err := m.Validate(); err != nil {
		return Message{}, err
	}
	return m, nil
}

// Item returns g as it is stored in the default view.
func (g Group) Item() map[string]types.AttributeValue {
	item := map[string]types.AttributeValue{
		attrPK:              text(InboxKey(g.UserUUID)),
		attrSK:              text(RowKey(g.LastReplyAt, g.GroupUUID)),
		AttrGroupUUID:       text(g.GroupUUID),
		AttrUserUUID:        text(g.UserUUID),
		attrOtherName:       text(g.OtherUserDisplayName),
		attrOtherHandle:     text(g.OtherUserHandle),
		attrLastMessage:     text(g.LastMessage),
		attrLastMessageUser: text(g.LastMessageUserUUID),
		attrMemberCount:     &types.AttributeValueMemberN{Value: strconv.Itoa(g.MemberCount)},
	}
	if g.OtherUserUUID != "" {
		item[attrOtherUUID] = text(g.OtherUserUUID)
	}
	if g.LastMessageUUID != "" {
		item[attrLastMessageUUID] = text(g.LastMessageUUID)
	}
	return item
}

// GroupFromItem decodes an inbox entry of the default view. It ignores unknown attributes. The error names
// the attribute that is missing, invalid, of another type, or contradicts the key.
func GroupFromItem(item map[string]types.AttributeValue) (Group, error) {
	return groupFromItem(item, View{DefaultView, PlainRows})
}

func groupFromItem(item map[string]types.AttributeValue, v View) (Group, error) {
	r := reader{item: item}
	lastReplyAt, groupUUID, err := ParseRowKey(r.text(attrSK))
	if r.err == nil {
		r.err = err
	}
	g := Group{
		UserUUID:             r.text(AttrUserUUID),
		LastReplyAt:          lastReplyAt,
		GroupUUID:            groupUUID,
		OtherUserDisplayName: r.text(attrOtherName),
		OtherUserHandle:      r.text(attrOtherHandle),
		LastMessage:          r.text(attrLastMessage),
		LastMessageUserUUID:  r.text(attrLastMessageUser),
		MemberCount:          r.number(attrMemberCount),
	}
	if _, ok := item[attrOtherUUID]; ok {
		g.OtherUserUUID = r.text(attrOtherUUID)
	}
	if _, ok := item[attrLastMessageUUID]; ok {
		g.LastMessageUUID = r.text(attrLastMessageUUID)
	}
	r.same(attrPK, v.InboxKey(g.UserUUID))
	r.same(AttrGroupUUID, groupUUID)
	if r.err != nil {
		return Group{}, r.err
	}
	return g, g.check()
}

// check returns the first reason why no member can have such an entry.
func (g Group) check() error {
	err := cmp.Or(
		checkID(AttrUserUUID, g.UserUUID),
		checkID(attrLastMessageUser, g.LastMessageUserUUID),
	)
	if err == nil && g.OtherUserUUID != "" {
		err = checkID(attrOtherUUID, g.OtherUserUUID)
	}
	if err == nil && g.LastMessageUUID != "" {
		err = checkID(attrLastMessageUUID, g.LastMessageUUID)
	}
	if err == nil && g.MemberCount < MinMembers {
		err = fmt.Errorf("%s is %d, must be at least %d", attrMemberCount, g.MemberCount, MinMembers)
	}
	return err
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

// reader reads typed attributes of an item and keeps the first error.
type reader struct {
	item map[string]types.AttributeValue
	err  error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

func (r *reader) text(name string) string {
	switch v := r.item[name].(type) {
	case *types.AttributeValueMemberS:
		return v.Value
	case nil:
		r.fail("attribute %s is missing", name)
	default:
		r.fail("attribute %s is of type %T, not a string", name, v)
	}
	return ""
}

func (r *reader) number(name string) int {
	v, ok := r.item[name].(*types.AttributeValueMemberN)
	if !ok {
		r.fail("attribute %s is missing or not a number", name)
		return 0
	}
	n, err := strconv.Atoi(v.Value)
	if err != nil {
		r.fail("attribute %s: %s is not a whole number", name, quote(v.Value))
	}
	return n
}

// same checks an attribute that repeats a part of the key.
func (r *reader) same(name, want string) {
	if got := r.text(name); got != want {
		r.fail("attribute %s is %s, the key says %s", name, quote(got), quote(want))
	}
}

// traceParent reads what a trace needs and a message does not: what is malformed is
// not there.
func (r *reader) traceParent() string {
	v, ok := r.item[attrTraceParent].(*types.AttributeValueMemberS)
	if !ok || !isTraceParent(v.Value) {
		return ""
	}
	return v.Value
}

// isTraceParent reports whether s may be a traceparent of version 00: hexadecimal
// numbers, with hyphens between them, in 55 characters.
// Source: W3C Trace Context, traceparent Header Field Values.
func isTraceParent(s string) bool {
	const length = 55
	return len(s) == length && strings.Trim(s, "0123456789abcdef-") == ""
}

func (r *reader) members() []Member {
	v, ok := r.item[attrMembers]
	if !ok {
		return nil
	}
	list, ok := v.(*types.AttributeValueMemberL)
	if !ok {
		r.fail("attribute %s is of type %T, not a list", attrMembers, v)
		return nil
	}
	members := make([]Member, len(list.Value))
	for i, entry := range list.Value {
		m, ok := entry.(*types.AttributeValueMemberM)
		if !ok {
			r.fail("attribute %s[%d] is of type %T, not a map", attrMembers, i, entry)
			return nil
		}
		p := reader{item: m.Value}
		members[i] = Member{p.text(AttrUserUUID), p.text(attrDisplayName), p.text(attrHandle)}
		if p.err != nil {
			r.fail("attribute %s[%d]: %w", attrMembers, i, p.err)
		}
	}
	return members
}
