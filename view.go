package postroom

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// DefaultView is the name of the view that every table has from the start.
const DefaultView = "default"

// The formats of rows. All rows have the same keys, whatever their format: a place in a
// list is a place in every view.
const (
	// PlainRows have everything but what the formats below add.
	PlainRows = 1
	// RowsWithUUID also have the uuid of the last message. By it an application tells
	// whether a member has read that message: of two messages of one time the uuid
	// decides.
	RowsWithUUID = 2

	rowFormat = 2 // the newest
)

// maxViewName keeps the rows of every view under 1 KB, see [PreviewBytes].
const maxViewName = 10

// View is a copy of all inboxes: rows of one format, in partitions of their own. A table
// can have several, which the projector keeps alike, and of which readers read one. So a
// new format is brought in beside the old one.
type View struct {
	Name   string // see [CheckViewName]
	Format int    // [PlainRows] or [RowsWithUUID]
}

// CheckViewName returns an error unless name can be that of a view: 1 to 10 lower-case
// letters, digits and hyphens.
func CheckViewName(name string) error {
	if name == "" || len(name) > maxViewName || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return fmt.Errorf("view %s: a name has 1 to %d lower-case letters, digits and hyphens", quote(name), maxViewName)
	}
	return nil
}

// Validate returns an error if there can be no such view, or this program does not know
// its format.
func (v View) Validate() error {
	if err := CheckViewName(v.Name); err != nil {
		return err
	}
	switch {
	case v.Format < PlainRows:
		return fmt.Errorf("view %s: there is no row format %d", v.Name, v.Format)
	case v.Format > rowFormat:
		return fmt.Errorf("view %s: %w: its rows have format %d, and this program knows formats up to %d", v.Name, ErrNewerView, v.Format, rowFormat)
	case v.Name == DefaultView && v.Format != PlainRows:
		return fmt.Errorf("view %s: its rows have format %d", v.Name, PlainRows)
	}
	return nil
}

// ErrNewerView means that rows are in a format that only a newer program knows.
var ErrNewerView = errors.New("use a newer program")

// Prefix begins the partition keys of all inboxes of the view.
func (v View) Prefix() string {
	if v.Name == DefaultView {
		return InboxPrefix
	}
	return viewPrefix + v.Name + separator
}

// InboxKey returns the partition key of a user's inbox in the view.
func (v View) InboxKey(userUUID string) string { return v.Prefix() + userUUID }

// ParseInboxKey returns the name of the view and the user of an inbox's partition key,
// and false for any other key.
func ParseInboxKey(pk string) (view, userUUID string, ok bool) {
	if user, ok := strings.CutPrefix(pk, InboxPrefix); ok {
		return DefaultView, user, true
	}
	rest, ok := strings.CutPrefix(pk, viewPrefix)
	if !ok {
		return "", "", false
	}
	view, userUUID, ok = strings.Cut(rest, separator)
	return view, userUUID, ok && view != DefaultView && CheckViewName(view) == nil
}

// Groups is [Groups] with what the view's format has.
func (v View) Groups(last Message, members []Member) []Group {
	entries := Groups(last, members)
	if v.Format >= RowsWithUUID {
		for i := range entries {
			entries[i].LastMessageUUID = last.MessageUUID
		}
	}
	return entries
}

// Item returns g as it is stored in the view.
func (v View) Item(g Group) map[string]types.AttributeValue {
	item := g.Item()
	item[attrPK] = text(v.InboxKey(g.UserUUID))
	return item
}

// GroupFromItem decodes an inbox entry of the view. See [GroupFromItem].
func (v View) GroupFromItem(item map[string]types.AttributeValue) (Group, error) {
	return groupFromItem(item, v)
}
