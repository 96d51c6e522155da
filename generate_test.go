package postroom_test

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/postroom/postroom"
)

// uuids draws canonical uuids.
func uuids() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		return uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid")).String()
	})
}

// groups draws uuids of conversations: a pair's own, or random.
func groups(members []postroom.Member) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		if len(members) == postroom.MinMembers && rapid.Bool().Draw(t, "derived") {
			return postroom.PairUUID(members[0].UserUUID, members[1].UserUUID)
		}
		id := uuid.MustParse(uuids().Draw(t, "group"))
		id[6] = id[6]&0x0f | 4<<4
		return id.String()
	})
}

// names draws display names and handles, up to the longest in bytes.
func names() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringN(1, postroom.MaxNameRunes, -1),
		rapid.StringOfN(rapid.SampledFrom([]rune("😀𝔘é,a")), postroom.MaxNameRunes-4, postroom.MaxNameRunes, -1),
	)
}

// texts draws messages, many of about the length of a preview.
func texts() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringN(0, 600, -1),
		rapid.StringOfN(rapid.SampledFrom([]rune("😀é\x00\"<a ")), 60, 300, -1),
	)
}

func times() *rapid.Generator[time.Time] {
	first := time.Date(1, 1, 1, 0, 0, 0, 1000, time.UTC).UnixMicro()
	last := time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC).UnixMicro()
	return rapid.Custom(func(t *rapid.T) time.Time {
		return time.UnixMicro(rapid.Int64Range(first, last).Draw(t, "time")).UTC()
	})
}

// membersOf draws so many people with uuids of their own.
func membersOf(least, most int) *rapid.Generator[[]postroom.Member] {
	return rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) postroom.Member {
		return postroom.Member{
			UserUUID:    uuids().Draw(t, "user"),
			DisplayName: names().Draw(t, "name"),
			Handle:      names().Draw(t, "handle"),
		}
	}), least, most, func(m postroom.Member) string { return m.UserUUID })
}

// messages draws valid messages, some of which open their conversation.
func messages() *rapid.Generator[postroom.Message] {
	return rapid.Custom(func(t *rapid.T) postroom.Message {
		members := membersOf(2, 5).Draw(t, "members")
		m := messageBy(members[0])
		m.GroupUUID = groups(members).Draw(t, "group")
		m.MessageUUID = uuids().Draw(t, "message")
		m.Text = texts().Draw(t, "text")
		m.CreatedAt = times().Draw(t, "created_at")
		if rapid.Bool().Draw(t, "opens") {
			m.Members = members
		}
		return m
	})
}

// messageBy is a plain valid message.
func messageBy(sender postroom.Member) postroom.Message {
	return postroom.Message{
		GroupUUID:   id(0xa),
		MessageUUID: id(0xb),
		UserUUID:    sender.UserUUID,
		DisplayName: sender.DisplayName,
		Handle:      sender.Handle,
		Text:        "hello",
		CreatedAt:   time.Date(2026, 5, 21, 10, 30, 0, 0, time.UTC),
	}
}

// id is a uuid with a number in it.
func id(n int) string { return fmt.Sprintf("%08x-0000-4000-8000-000000000000", n) }

// person is the n-th member of a conversation.
func person(n int) postroom.Member {
	return postroom.Member{UserUUID: id(n), DisplayName: fmt.Sprintf("Person %d", n), Handle: fmt.Sprintf("p%d", n)}
}

func people(n int) []postroom.Member {
	all := make([]postroom.Member, n)
	for i := range all {
		all[i] = person(i + 1)
	}
	return all
}
