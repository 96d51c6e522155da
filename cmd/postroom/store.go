package main

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/projector"
)

// holdings is what the store holds.
type holdings struct {
	messages      int64
	conversations int64
	groupItems    int64
	quarantined   int64
	// busiest is the user with the most conversations, the first of several.
	busiest      string
	busiestCount int
}

// holdings counts what the store holds by a scan of it.
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
	aside, err := projector.CountSetAside(ctx, a.control())
	h.quarantined = int64(aside)
	return h, err
}

// The control table remembers how far the import of the sample came: it has
// begun, or it is done.
const (
	attrState   = "state"
	sampleBegun = "importing"
	sampleDone  = "done"
)

func sampleKey() backend.Key { return backend.Key{PK: "dev", SK: "sample"} }

func (a *app) setSampleState(ctx context.Context, state string) error {
	key := sampleKey()
	_, err := a.control().Put(ctx, backend.Item{
		backend.AttrPK: &types.AttributeValueMemberS{Value: key.PK},
		backend.AttrSK: &types.AttributeValueMemberS{Value: key.SK},
		attrState:      &types.AttributeValueMemberS{Value: state},
	}, backend.Condition{})
	return err
}

// wantsSample says whether the sample is to be imported: into an empty table,
// or because an earlier import did not come to its end.
func (a *app) wantsSample(ctx context.Context) (bool, error) {
	item, _, err := a.control().Get(ctx, sampleKey())
	if err != nil {
		return false, err
	}
	if item != nil {
		return backend.Text(item, attrState) == sampleBegun, nil
	}
	page, err := a.table().Scan(ctx, backend.Scan{Limit: 1, Consistent: true})
	return len(page.Items) == 0, err
}
