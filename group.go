package postroom

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// A row stays under 1 KB, so that writing it costs one write unit: 383 bytes
// are names, keys and uuids, the rest is bounded here.
const (
	// PreviewBytes bounds the preview of the last message, ellipsis included.
	PreviewBytes = 256
	// othersBytes bounds the names, and the handles, of the other members.
	othersBytes = 160

	ellipsis = "…"
)

// Group is one member's view of a conversation: a row of their list. It belongs
// to the projector, which deletes it and makes it anew at every move; what an
// application wants to keep for a user and a conversation (muted, read up to)
// belongs into an item of its own.
type Group struct {
	UserUUID    string    // whose list
	LastReplyAt time.Time // orders the list
	GroupUUID   string    // the conversation

	// The others, as this member sees them: with one other their uuid, name and
	// handle; with more the names and handles in the order of their uuids, cut
	// to fit, and no uuid.
	OtherUserUUID        string
	OtherUserDisplayName string
	OtherUserHandle      string

	LastMessage         string // a preview, see [Preview]
	LastMessageUserUUID string // who sent it
	MemberCount         int    // everybody, this member included
}

// Groups returns the row of every member, in the order of members, once last
// is the newest message of the conversation. The members must be valid.
func Groups(last Message, members []Member) []Group {
	sorted := slices.SortedFunc(slices.Values(members), func(a, b Member) int {
		return strings.Compare(a.UserUUID, b.UserUUID)
	})
	preview := Preview(last.Text)
	rows := make([]Group, len(members))
	for i, p := range members {
		rows[i] = Group{
			UserUUID:            p.UserUUID,
			LastReplyAt:         last.CreatedAt,
			GroupUUID:           last.GroupUUID,
			LastMessage:         preview,
			LastMessageUserUUID: last.UserUUID,
			MemberCount:         len(members),
		}
		rows[i].showOthers(sorted)
	}
	return rows
}

// showOthers fills in the members other than the row's owner.
func (g *Group) showOthers(sorted []Member) {
	var names, handles joined
	for _, p := range sorted {
		if p.UserUUID == g.UserUUID {
			continue
		}
		if len(sorted) == MinMembers {
			g.OtherUserUUID = p.UserUUID
		}
		names.add(p.DisplayName)
		handles.add(p.Handle)
		if names.full() && handles.full() {
			break
		}
	}
	g.OtherUserDisplayName, g.OtherUserHandle = names.cut(), handles.cut()
}

// joined is a list of names that stops growing once it will be cut anyway.
type joined struct{ text string }

func (j *joined) full() bool { return len(j.text) > othersBytes }

func (j *joined) add(name string) {
	switch {
	case j.full():
	case j.text == "":
		j.text = name
	default:
		j.text += ", " + name
	}
}

func (j *joined) cut() string { return cutText(j.text, othersBytes) }

// Preview is the beginning of a message: at most [PreviewBytes], cut on a rune
// boundary and then with an ellipsis at the end.
func Preview(text string) string { return cutText(text, PreviewBytes) }

// cutText shortens s to at most size bytes, ellipsis included.
func cutText(s string, size int) string {
	if len(s) <= size {
		return s
	}
	end := size - len(ellipsis)
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + ellipsis
}
