package main

import (
	"context"
	"strings"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/projector/quarantine"
)

// holdings counts what the store holds.
type holdings struct {
	messages      int64
	conversations int64
	groupItems    int64
	quarantined   int64
	// busiest is the user with the most conversations; of several, the first by
	// uuid.
	busiest      string
	busiestCount int
}

// holdings scans the store and counts what it holds.
func (a *app) holdings(ctx context.Context) (holdings, error) {
	var h holdings
	conversations, users := map[string]bool{}, map[string]int{}
	scan := backend.Scan{Consistent: true}
	for table := a.table(); ; {
		page, err := table.Scan(ctx, scan)
		if err != nil {
			return h, err
		}
		for _, item := range page.Items {
			key := backend.KeyOf(item)
			if user, ok := strings.CutPrefix(key.PK, postroom.InboxPrefix); ok {
				h.groupItems++
				users[user]++
			} else if strings.HasPrefix(key.SK, postroom.MessagePrefix) {
				h.messages++
				conversations[key.PK] = true
			}
		}
		if page.Last == nil {
			break
		}
		scan.After = *page.Last
	}
	h.conversations = int64(len(conversations))
	for user, n := range users {
		if n > h.busiestCount || n == h.busiestCount && user < h.busiest {
			h.busiest, h.busiestCount = user, n
		}
	}
	quarantined, err := quarantine.Count(ctx, a.control())
	h.quarantined = int64(quarantined)
	return h, err
}
