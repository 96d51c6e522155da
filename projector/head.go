package projector

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
)

// Attributes of a conversation's head.
const (
	attrLastReplyAt     = "last_reply_at"
	attrLastMessageUUID = "last_message_uuid"
	attrOld             = "old"
	attrOpenedBy        = "opened_by"
	attrOpen            = "open"
	attrMovedAt         = "moved_at"
)

// head says how far a conversation is folded, and what its last move may have
// left to do.
type head struct {
	last     postroom.Position // the newest message projected
	old      string            // sort key of the rows the last move left; empty: none
	openedBy string            // sort key of the message whose members count
	open     bool              // not all rows are known to be put
	movedAt  time.Time

	// more is what the item holds beside the attributes above: a later version
	// wrote it, and it is carried along. Usually nil; heads are remembered.
	more backend.Item
}

// row is the sort key at which the members' rows are.
func (h head) row(group string) string { return postroom.RowKey(h.last.CreatedAt, group) }

// unchanged holds while nobody has moved the conversation on from h. The rest
// of the head follows from these two.
func (h head) unchanged() backend.Condition {
	return backend.Condition{Equals: backend.Item{
		attrLastReplyAt:     text(postroom.FormatTime(h.last.CreatedAt)),
		attrLastMessageUUID: text(h.last.MessageUUID),
	}}
}

func (h head) encode(group string) backend.Item {
	item := maps.Clone(h.more)
	if item == nil {
		item = backend.Item{}
	}
	item[backend.AttrPK] = text(group)
	item[backend.AttrSK] = text(postroom.HeadKey)
	item[attrLastReplyAt] = text(postroom.FormatTime(h.last.CreatedAt))
	item[attrLastMessageUUID] = text(h.last.MessageUUID)
	item[attrOpenedBy] = text(h.openedBy)
	item[attrMovedAt] = text(postroom.FormatTime(h.movedAt))
	item[attrOpen] = &types.AttributeValueMemberBOOL{Value: h.open}
	if h.old != "" {
		item[attrOld] = text(h.old)
	}
	return item
}

func decodeHead(item backend.Item) (head, error) {
	at, err := postroom.ParseTime(backend.Text(item, attrLastReplyAt))
	if err != nil {
		return head{}, fmt.Errorf("head: %s: %w", attrLastReplyAt, err)
	}
	movedAt, err := postroom.ParseTime(backend.Text(item, attrMovedAt))
	if err != nil {
		return head{}, fmt.Errorf("head: %s: %w", attrMovedAt, err)
	}
	h := head{
		last:     postroom.Position{CreatedAt: at, MessageUUID: backend.Text(item, attrLastMessageUUID)},
		old:      backend.Text(item, attrOld),
		openedBy: backend.Text(item, attrOpenedBy),
		movedAt:  movedAt,
	}
	if h.openedBy == "" || h.last.MessageUUID == "" {
		return head{}, fmt.Errorf("head: %s and %s must both be there", attrOpenedBy, attrLastMessageUUID)
	}
	if b, ok := item[attrOpen].(*types.AttributeValueMemberBOOL); ok {
		h.open = b.Value
	}
	for name, value := range item {
		if !slices.Contains(headAttributes, name) {
			if h.more == nil {
				h.more = backend.Item{}
			}
			h.more[name] = value
		}
	}
	return h, nil
}

var headAttributes = []string{
	backend.AttrPK, backend.AttrSK, attrLastReplyAt, attrLastMessageUUID, attrOld, attrOpenedBy, attrOpen, attrMovedAt,
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
