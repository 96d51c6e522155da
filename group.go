package postroom

import (
	"strings"
	"time"
)

// An inbox entry stays under 1 KB, so that writing it costs one write unit: 447 bytes
// at most are attribute names, keys and uuids, and the rest is bounded here.
const (
	// PreviewBytes bounds the preview of the last message, ellipsis included.
	PreviewBytes = 256
	// othersBytes bounds the names, and the handles, of the other members.
	othersBytes = 160
	// maxOthers names do not fit into othersBytes: each takes a byte and a separator.
	maxOthers = othersBytes/(1+len(nameSeparator)) + 2

	nameSeparator = ", "
)

// Group is an inbox entry: one member's view of a conversation. It belongs to the
// projector, which deletes and recreates it at every move. An application that wants to
// store something for a user and a conversation (muted, read up to) needs an item of
// its own.
type Group struct {
	UserUUID    string    // the member
	LastReplyAt time.Time // the order in the inbox
	GroupUUID   string    // the conversation

	// The other members: of a single one uuid, name and handle; of several the names and
	// the handles in the order of their uuids, shortened to fit, and no uuid.
	OtherUserUUID        string
	OtherUserDisplayName string
	OtherUserHandle      string

	LastMessage         string // a preview, see [Preview]
	LastMessageUserUUID string // its sender
	LastMessageUUID     string // in views of [RowsWithUUID]; otherwise empty
	MemberCount         int    // includes this member
}

// Groups returns the inbox entries of all members, in the order of members, after last
// has become the newest message of the conversation. The members must be valid.
func Groups(last Message, members []Member) []Group {
	sorted := SortedMembers(members)
	preview := Preview(last.Text)
	entries := make([]Group, len(members))
	for i, p := range members {
		entries[i] = Group{
			UserUUID:            p.UserUUID,
			LastReplyAt:         last.CreatedAt,
			GroupUUID:           last.GroupUUID,
			LastMessage:         preview,
			LastMessageUserUUID: last.UserUUID,
			MemberCount:         len(members),
		}
		entries[i].showOthers(sorted)
	}
	return entries
}

// showOthers fills in the members other than the one whose entry it is.
func (g *Group) showOthers(sorted []Member) {
	var names, handles []string
	for _, p := range sorted {
		if p.UserUUID == g.UserUUID {
			continue
		}
		if len(sorted) == MinMembers {
			g.OtherUserUUID = p.UserUUID
		}
		names, handles = append(names, p.DisplayName), append(handles, p.Handle)
		if len(names) == maxOthers {
			break
		}
	}
	g.OtherUserDisplayName = cutText(strings.Join(names, nameSeparator), othersBytes)
	g.OtherUserHandle = cutText(strings.Join(handles, nameSeparator), othersBytes)
}

// Preview returns the beginning of a message: at most [PreviewBytes], cut on a rune
// boundary, with an ellipsis if it was cut.
func Preview(text string) string { return cutText(text, PreviewBytes) }
