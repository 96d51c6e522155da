// Package reference folds a file of messages by itself, with nothing of
// Postroom's: what the pipeline is to come to, in the plainest words. Tests hold
// the conversation lists and the notifications against it.
package reference

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

const timeLayout = "2006-01-02T15:04:05.000000Z"

// Member is one of a conversation.
type Member struct {
	UserUUID    string `json:"user_uuid"`
	DisplayName string `json:"display_name"`
	Handle      string `json:"handle"`
}

// Message is a line of a file of messages.
type Message struct {
	GroupUUID   string    `json:"message_group_uuid"`
	MessageUUID string    `json:"message_uuid"`
	UserUUID    string    `json:"user_uuid"`
	DisplayName string    `json:"display_name"`
	Handle      string    `json:"handle"`
	Message     string    `json:"message"`
	CreatedAt   time.Time `json:"created_at"`
	Members     []Member  `json:"members,omitempty"` // of the one that opens the conversation
}

// Read reads a file of messages.
func Read(file io.Reader) ([]Message, error) {
	var messages []Message
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var m Message
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			return nil, fmt.Errorf("line %d: %w", len(messages)+1, err)
		}
		messages = append(messages, m)
	}
	return messages, lines.Err()
}

// row is a line of inbox --all --json.
type row struct {
	UserUUID             string `json:"user_uuid"`
	LastReplyAt          string `json:"last_reply_at"`
	GroupUUID            string `json:"message_group_uuid"`
	OtherUserUUID        string `json:"other_user_uuid"`
	OtherUserDisplayName string `json:"other_user_display_name"`
	OtherUserHandle      string `json:"other_user_handle"`
	MemberCount          int    `json:"member_count"`
	LastMessageUserUUID  string `json:"last_message_user_uuid"`
	LastMessage          string `json:"last_message"`
}

// Inbox is what inbox --all --json prints after the messages, sorted by bytes.
func Inbox(messages []Message) []string {
	last := map[string]Message{}
	for _, m := range messages {
		newest := last[m.GroupUUID]
		if m.CreatedAt.After(newest.CreatedAt) || m.CreatedAt.Equal(newest.CreatedAt) && m.MessageUUID > newest.MessageUUID {
			last[m.GroupUUID] = m
		}
	}
	var lines []string
	members := membersOf(messages)
	for group, m := range last {
		for _, own := range members[group] {
			lines = append(lines, encode(newRow(m, own, members[group])))
		}
	}
	slices.Sort(lines)
	return lines
}

func newRow(m Message, own Member, members []Member) row {
	r := row{
		UserUUID:            own.UserUUID,
		LastReplyAt:         m.CreatedAt.UTC().Format(timeLayout),
		GroupUUID:           m.GroupUUID,
		MemberCount:         len(members),
		LastMessageUserUUID: m.UserUUID,
		LastMessage:         cut(m.Message, 256),
	}
	others := slices.DeleteFunc(slices.Clone(members), func(p Member) bool { return p.UserUUID == own.UserUUID })
	slices.SortFunc(others, func(a, b Member) int { return strings.Compare(a.UserUUID, b.UserUUID) })
	var names, handles []string
	for _, p := range others {
		names, handles = append(names, p.DisplayName), append(handles, p.Handle)
	}
	if len(others) == 1 {
		r.OtherUserUUID = others[0].UserUUID
	}
	r.OtherUserDisplayName = cut(strings.Join(names, ", "), 160)
	r.OtherUserHandle = cut(strings.Join(handles, ", "), 160)
	return r
}

// Notifications is the ids of all notifications that the messages ask for.
func Notifications(messages []Message) map[string]bool {
	ids := map[string]bool{}
	members := membersOf(messages)
	for _, m := range messages {
		for _, recipient := range members[m.GroupUUID] {
			if recipient.UserUUID == m.UserUUID {
				continue
			}
			sum := sha256.Sum256([]byte(strings.Join([]string{
				m.GroupUUID, m.CreatedAt.UTC().Format(timeLayout), m.MessageUUID, recipient.UserUUID,
			}, "|")))
			ids[hex.EncodeToString(sum[:])] = true
		}
	}
	return ids
}

func membersOf(messages []Message) map[string][]Member {
	members := map[string][]Member{}
	for _, m := range messages {
		if m.Members != nil {
			members[m.GroupUUID] = m.Members
		}
	}
	return members
}

// cut cuts s to so many bytes, between runes, an ellipsis of three included.
func cut(s string, size int) string {
	if len(s) <= size {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if b.Len()+len(string(r))+3 > size {
			break
		}
		b.WriteRune(r)
	}
	return b.String() + "…"
}

func encode(r row) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		panic(err) // strings and numbers are always encoded
	}
	return strings.TrimSpace(b.String())
}

// FirstDifference describes where two sorted lists differ first; "" if nowhere.
func FirstDifference(got, want []string) string {
	for i, line := range want {
		switch {
		case i >= len(got):
			return "missing " + line
		case got[i] != line:
			return "got " + got[i] + ", want " + line
		}
	}
	if len(got) > len(want) {
		return "one too many: " + got[len(want)]
	}
	return ""
}
