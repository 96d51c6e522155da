package canary

import (
	"context"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
)

const (
	// kept is how much older than the newest canary those are that stay in the log: as
	// long as the stream holds their records.
	kept = 24 * time.Hour
	// prunedAtOnce bounds how many are removed after each canary; one comes with it.
	prunedAtOnce = 10
)

// prune removes canaries that are much older than one that is visible.
func (c *Canary) prune(ctx context.Context, visible Result) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	err := c.pruneBefore(ctx, visible.PostedAt.Add(-kept))
	if err != nil {
		c.pruning.Failed(ctx, c.o.Name, err)
		return
	}
	c.pruning.Succeeded(c.o.Name)
}

func (c *Canary) pruneBefore(ctx context.Context, before time.Time) error {
	page, err := c.table.Page(ctx, backend.Query{
		PK: c.opening.GroupUUID, SKPrefix: postroom.MessagePrefix, Limit: prunedAtOnce,
		After: backend.Key{PK: c.opening.GroupUUID, SK: c.opening.Key()},
	})
	if err != nil {
		return err
	}
	var old []backend.Key
	for _, it := range page.Items {
		key := backend.KeyOf(it)
		if at, _, err := postroom.ParseMessageKey(key.SK); err == nil && at.Before(before) {
			old = append(old, key)
		}
	}
	return c.table.Delete(ctx, old)
}
