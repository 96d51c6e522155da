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
// name and touches nothing, and Repair neither. What is good it leaves as it is.
func TestNewerFormatIsRefusedByName(t *testing.T) {
	t.Parallel()
	other := lease.Owner{Worker: "other", Session: "other"}
	for name, encode := range map[string]func(lease.GroupID) backend.Item{
		"lease":     lease.Lease{Shard: "a", Owner: other, Epoch: 1}.Encode,
		"heartbeat": membership.Worker{Owner: other, Counter: 1, LeaseDuration: time.Second}.Encode,
		"leader":    membership.Leader{Owner: other, Epoch: 1, Counter: 1, LeaseDuration: time.Second}.Encode,
		"readers":   func(id lease.GroupID) backend.Item { return membership.Readers{Groups: []string{"x"}}.Encode(id.ARN) },
		"history":   lineage.History{FirstReadAt: time.Now()}.Encode,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, c := newStream(openShard("a", "", "1")), newTable()
				it := encode(daemons(s.arn))
				if repair, err := Repair(it, Status{StreamARN: s.arn}, time.Now()); repair != nil || err != nil {
					t.Errorf("the repair of a good one is %+v: %v", repair, err)
				}
				it[item.AttrFormat] = item.Int(2)
				key := backend.KeyOf(it)
				c.items[key] = it
				o := config{}
				if name == "readers" { // which the default group need not read
					o.Group = "g"
				}
				refusals := []error{work(t, s, c, o, nil).ended(t)}
				if name != "history" { // which workers replace by themselves where it is damaged
					_, err := Repair(it, Status{StreamARN: s.arn}, time.Now())
					refusals = append(refusals, err)
				}
				for _, err := range refusals {
					if backend.KindOf(err) != backend.KindInvalid || !strings.Contains(err.Error(), key.SK) || !strings.Contains(err.Error(), "format 2") {
						t.Errorf("error is %v", err)
					}
				}
				if c.written(key.SK) > 0 {
					t.Error("the item was written")
				}
			})
		})
	}
}
