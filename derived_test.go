package postroom_test

import (
	"strings"
	"testing"

	"github.com/postroom/postroom"
)

// opening is a message that opens a conversation for users, the first of whom sends it.
func opening(group string, users ...string) postroom.Message {
	var members []postroom.Member
	for _, user := range users {
		members = append(members, postroom.Member{UserUUID: user, DisplayName: "name", Handle: "handle"})
	}
	m := messageBy(members[0])
	m.GroupUUID, m.Members = group, members
	return m
}

// TestF14ADerivedConversationProvesItself: only the two from whom a uuid is derived open
// it. Nobody else does, whether or not the two are among the members, and wherever the
// message comes from.
func TestF14ADerivedConversationProvesItself(t *testing.T) {
	t.Parallel()
	ada, ben, eve, other := id(1), id(2), id(3), id(4)
	pair := postroom.PairUUID(ada, ben)
	reply := messageBy(postroom.Member{UserUUID: eve, DisplayName: "name", Handle: "handle"})
	reply.GroupUUID = pair
	const random, derivedElsewhere = "f47ac10b-58cc-4372-a567-0e02b2c3d479", "e4235943-49a5-56d6-9843-f0252974b213"
	for name, test := range map[string]struct {
		message postroom.Message
		refused string // "": it is not
	}{
		"the two":                                 {opening(pair, ada, ben), ""},
		"the two, in the other order":             {opening(pair, ben, ada), ""},
		"the two and another":                     {opening(pair, eve, ada, ben), "names 3 members"},
		"the two and others, sent by one of them": {opening(pair, ben, eve, other, ada), "names 4 members"},
		"one of them and another":                 {opening(pair, eve, ada), "is " + postroom.PairUUID(eve, ada)},
		"two others":                              {opening(pair, eve, other), "is " + postroom.PairUUID(eve, other)},
		"three others":                            {opening(pair, eve, other, id(5)), "version 8"},
		"two people and a random uuid":            {opening(random, eve, ada), ""},
		"a group and a random uuid":               {opening(random, eve, ada, ben), ""},
		"two people and a UUIDv5 of somebody's":   {opening(derivedElsewhere, eve, ada), ""},
		"a group and a UUIDv5 of somebody's":      {opening(derivedElsewhere, eve, ada, ben), ""},
		"a reply, which opens nothing":            {reply, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, fromItem := postroom.MessageFromItem(test.message.Item())
			line, _ := test.message.MarshalJSON()
			for by, err := range map[string]error{
				"Validate":        test.message.Validate(),
				"MessageFromItem": fromItem,
				"UnmarshalJSON":   new(postroom.Message).UnmarshalJSON(line),
			} {
				switch {
				case test.refused == "" && err != nil:
					t.Errorf("%s: %v", by, err)
				case test.refused != "" && (err == nil || !strings.Contains(err.Error(), test.refused)):
					t.Errorf("%s: %v, want %q", by, err, test.refused)
				}
			}
		})
	}
}
