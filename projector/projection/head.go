package projection

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
)

// Attributes of a conversation's head.
const (
	attrLastReplyAt     = "last_reply_at"
	attrLastMessageUUID = "last_message_uuid"
	attrOld             = "old"
	attrOpenedBy        = "opened_by"
	attrOpen            = "open"
	attrMovedAt         = "moved_at"
	attrMovedBy         = "moved_by"         // moved_at and the worker; there only if it has a name
	attrViews           = "views"            // there only if generation is not zero
	attrGeneration      = "views_generation" // there only if it is not zero
)

// maxName bounds a worker's name in a head, in bytes: a head stays below 1 KB.
const maxName = 64

// Head says how far a conversation is projected, and what its last move may have
// left to do.
type Head struct {
	Last     postroom.Position // the newest message projected
	Old      string            // sort key of the rows that the last move left; empty: none
	OpenedBy string            // sort key of the message whose members count
	MovedAt  time.Time         // by the clock of the worker that moved it
	MovedBy  string            // the name of that worker; empty: it is not known

	open bool // not all rows are known to be put
	at   placement
	// more is what the item holds beside the attributes above: a later version
	// wrote it, and it is carried along. Usually nil, since heads are cached.
	more backend.Item
}

// Row is the sort key at which the members' rows are.
func (h Head) Row(group string) string { return postroom.RowKey(h.Last.CreatedAt, group) }

// key is the sort key of the message whose rows these are.
func (h Head) key() string { return postroom.MessageKey(h.Last.CreatedAt, h.Last.MessageUUID) }

// unchanged holds while nobody has moved the conversation on from h, or its rows to other
// views. The rest of the head follows from these attributes.
func (h Head) unchanged() backend.Condition {
	return backend.Condition{Equals: backend.Item{
		attrLastReplyAt:     item.String(postroom.FormatTime(h.Last.CreatedAt)),
		attrLastMessageUUID: item.String(h.Last.MessageUUID),
		attrMovedAt:         item.String(postroom.FormatTime(h.MovedAt)),
	}}
}

func (h Head) encode(group string) backend.Item {
	it := maps.Clone(h.more)
	if it == nil {
		it = backend.Item{}
	}
	it[backend.AttrPK] = item.String(group)
	it[backend.AttrSK] = item.String(postroom.HeadKey)
	it[attrLastReplyAt] = item.String(postroom.FormatTime(h.Last.CreatedAt))
	it[attrLastMessageUUID] = item.String(h.Last.MessageUUID)
	it[attrOpenedBy] = item.String(h.OpenedBy)
	it[attrMovedAt] = item.String(postroom.FormatTime(h.MovedAt))
	it[attrOpen] = item.Bool(h.open)
	if h.Old != "" {
		it[attrOld] = item.String(h.Old)
	}
	if h.MovedBy != "" {
		it[attrMovedBy] = item.String(h.movedBy(h.MovedBy))
	}
	h.at.encode(it)
	return it
}

// movedBy is what says that a worker has moved the conversation. A program that does not
// know the attribute carries it along, and then its time is not that of the move.
func (h Head) movedBy(worker string) string { return postroom.FormatTime(h.MovedAt) + " " + worker }

// DecodeHead reads a head from its item. Every attribute is checked: the next move
// deletes and completes what they say.
func DecodeHead(it backend.Item) (Head, error) {
	h := Head{Old: backend.Text(it, attrOld), OpenedBy: backend.Text(it, attrOpenedBy)}
	h.Last.MessageUUID = backend.Text(it, attrLastMessageUUID)
	var err error
	check := func(name string, wrong error) {
		if err == nil && wrong != nil {
			err = fmt.Errorf("head: %s: %w", name, wrong)
		}
	}
	var wrong error
	h.Last.CreatedAt, wrong = postroom.ParseTime(backend.Text(it, attrLastReplyAt))
	check(attrLastReplyAt, wrong)
	h.MovedAt, wrong = postroom.ParseTime(backend.Text(it, attrMovedAt))
	check(attrMovedAt, wrong)
	if worker, ok := strings.CutPrefix(backend.Text(it, attrMovedBy), h.movedBy("")); ok {
		h.MovedBy = worker
	}
	check(attrLastMessageUUID, postroom.CheckUUID(h.Last.MessageUUID))
	_, _, wrong = postroom.ParseMessageKey(h.OpenedBy)
	check(attrOpenedBy, wrong)
	if it[attrOld] != nil {
		check(attrOld, h.checkOld(backend.KeyOf(it).PK))
	}
	open, ok := it[attrOpen].(*types.AttributeValueMemberBOOL)
	if !ok {
		check(attrOpen, errors.New("it is missing or not a boolean"))
	}
	h.at, wrong = decodePlacement(it)
	check(attrViews, wrong)
	if err != nil {
		return Head{}, err
	}
	h.open, h.more = open.Value, moreOf(it)
	return h, nil
}

// moreOf is what a head's item holds beside its own attributes; usually nil.
func moreOf(it backend.Item) backend.Item {
	var more backend.Item
	for name, value := range it {
		if !slices.Contains(headAttributes, name) {
			if more == nil {
				more = backend.Item{}
			}
			more[name] = value
		}
	}
	return more
}

// checkOld returns an error unless old is a sort key that the conversation's rows had
// before. Rows under it are deleted, and never may those that are live.
func (h Head) checkOld(group string) error {
	_, of, err := postroom.ParseRowKey(h.Old)
	switch {
	case err != nil:
		return err
	case of != group:
		return fmt.Errorf("it is of the conversation %s", of)
	case h.Old >= h.Row(group):
		return errors.New("it is not before the rows")
	}
	return nil
}

var headAttributes = []string{
	backend.AttrPK, backend.AttrSK, attrLastReplyAt, attrLastMessageUUID, attrOld, attrOpenedBy, attrOpen, attrMovedAt, attrMovedBy,
	attrViews, attrGeneration,
}
