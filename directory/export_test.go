package directory

import (
	"time"

	"github.com/postroom/postroom/backend"
)

// NewAt is New with a clock.
func NewAt(table backend.Table, now func() time.Time) *Directory {
	d := New(table)
	d.now = now
	return d
}
