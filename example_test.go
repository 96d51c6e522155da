package postroom_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/postroom/postroom"
)

// The conversation of two people has the same uuid whoever of them writes first.
func ExamplePairUUID() {
	ann := "0b0c4c5e-5f0e-4b6f-9f4e-6a2f1c0d7e11"
	ben := "7d1a2f60-1d3b-4b4b-8a55-2f0f4d2c9b22"
	fmt.Println(postroom.PairUUID(ann, ben) == postroom.PairUUID(ben, ann))
	// Output: true
}

// Each member of a conversation has a row of their own, which shows the others.
func ExampleGroups() {
	ann := postroom.Member{UserUUID: "0b0c4c5e-5f0e-4b6f-9f4e-6a2f1c0d7e11", DisplayName: "Ann", Handle: "ann"}
	ben := postroom.Member{UserUUID: "7d1a2f60-1d3b-4b4b-8a55-2f0f4d2c9b22", DisplayName: "Ben", Handle: "ben"}
	hello := postroom.Message{
		GroupUUID:   postroom.PairUUID(ann.UserUUID, ben.UserUUID),
		MessageUUID: "c5a1f7de-6a6e-4a39-9c53-0e1a2b3c4d33",
		UserUUID:    ann.UserUUID,
		DisplayName: ann.DisplayName,
		Handle:      ann.Handle,
		Text:        "Lunch?",
		CreatedAt:   time.Date(2026, 5, 21, 10, 30, 0, 0, time.UTC),
	}
	for _, row := range postroom.Groups(hello, []postroom.Member{ann, ben}) {
		fmt.Printf("in the list of %s…: %s: %s\n", row.UserUUID[:8], row.OtherUserDisplayName, row.LastMessage)
	}
	// Output:
	// in the list of 0b0c4c5e…: Ben: Lunch?
	// in the list of 7d1a2f60…: Ann: Lunch?
}

// A line that is not a message does not end the reading.
func ExampleReadMessages() {
	file := strings.NewReader(`{"message_group_uuid":"0000000a-0000-4000-8000-000000000000"}
hello
`)
	for m, err := range postroom.ReadMessages(file) {
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(m.Line, m.Text)
	}
	// Output:
	// line 1: created_at is missing or empty
	// line 2: not JSON, at byte 1: invalid character 'h' at start of value
}
