package dedup

import (
	"strings"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
)

// Mend returns how to mend an item of the control table; nil: it is good, or not one
// of a [Table]'s. The error is that of a newer format.
func Mend(it backend.Item) (*item.Mending, error) {
	if !strings.HasPrefix(backend.KeyOf(it).PK, pkPrefix) {
		return nil, nil
	}
	_, err := decode(it)
	if damage := item.AsDamaged(err); damage != nil {
		return &item.Mending{Damaged: damage, Effect: "its notification, if it comes again, is handled again"}, nil
	}
	return nil, err
}
