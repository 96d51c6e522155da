package backendtest

import (
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/postroom/postroom/backend"
)

const timeToLive = "expires_at"

func withTimeToLive(s *backend.TableSpec) { s.TimeToLive = timeToLive }

func timeToLiveTests() []test {
	return []test{
		{"SetTimeToLive switches a table's time to live on, and DescribeTable reports it", testSetTimeToLive},
		{"an item whose time has not come, or that has none, stays", func(t *testing.T, h Harness) {
			if lacks(t, h.Capabilities.TimeToLive, "TimeToLive") {
				return
			}
			table := newTable(t, h, withTimeToLive)
			later := strconv.FormatInt(time.Now().AddDate(10, 0, 0).Unix(), 10)
			items := []backend.Item{newItem("p", "none"), newItem("p", "text", timeToLive, "1"), newItem("p", "later")}
			items[2][timeToLive] = &types.AttributeValueMemberN{Value: later}
			put(t, table, items...)
			put(t, table, newItem("p", "last"))
			for _, item := range items {
				wantItem(t, table, item)
			}
		}},
	}
}

func testSetTimeToLive(t *testing.T, h Harness) {
	wantKind(t, h.Backend.SetTimeToLive(t.Context(), uniqueName("table"), timeToLive), backend.KindNotFound)
	if lacks(t, h.Capabilities.TimeToLive, "TimeToLive") {
		return
	}
	spec := newSpec(withIndex, withStream)
	name := create(t, h, spec)
	table, item := h.Backend.Table(name), newItem("p", "s")
	put(t, table, item)
	wantKind(t, h.Backend.SetTimeToLive(t.Context(), name, ""), backend.KindInvalid)
	for range 2 { // also if it is as wanted already
		must(t, h.Backend.SetTimeToLive(t.Context(), name, timeToLive))
		got, err := h.Backend.DescribeTable(t.Context(), name)
		must(t, err)
		spec.TimeToLive = timeToLive
		wantEqual(t, got, spec)
	}
	wantKind(t, h.Backend.SetTimeToLive(t.Context(), name, "another"), backend.KindInvalid)
	wantItem(t, table, item)
}
