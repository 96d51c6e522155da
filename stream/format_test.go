package stream

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/stream/internal/lease"
	"github.com/postroom/postroom/stream/internal/lineage"
	"github.com/postroom/postroom/stream/internal/membership"
)

// A newer program may have written any of the items. This one refuses them by
// name and touches nothing.
func TestNewerFormatIsRefusedByName(t *testing.T) {
	t.Parallel()
	other := lease.Owner{Worker: "other", Session: "other"}
	for name, encode := range map[string]func(arn string) backend.Item{
		"lease":     lease.Lease{Shard: "a", Owner: other, Epoch: 1}.Encode,
		"heartbeat": membership.Worker{Owner: other, Counter: 1, LeaseDuration: time.Second}.Encode,
		"leader":    membership.Leader{Owner: other, Epoch: 1, Counter: 1, LeaseDuration: time.Second}.Encode,
		"history":   lineage.History{FirstReadAt: time.Now()}.Encode,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, c := newStream(openShard("a", "", "1")), newTable()
				it := encode(s.arn)
				it[item.AttrFormat] = item.Int(2)
				key := backend.KeyOf(it)
				c.items[key] = it
				err := work(t, s, c, config{}, nil).ended(t)
				if backend.KindOf(err) != backend.KindInvalid || !strings.Contains(err.Error(), key.SK) || !strings.Contains(err.Error(), "format 2") {
					t.Errorf("error is %v", err)
				}
				if c.written(key.SK) > 0 {
					t.Error("the item was written")
				}
			})
		})
	}
}
