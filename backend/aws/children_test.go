package aws

import (
	"fmt"
	"testing"

	"github.com/postroom/postroom/backend"
)

// describing is a page of shards that begins with a child of shardId-1.
func describing(child, last string) answer {
	return ok(fmt.Sprintf(`{"StreamDescription":{"LastEvaluatedShardId":%q,"Shards":[
		{"ShardId":%q,"ParentShardId":"shardId-1","SequenceNumberRange":{"StartingSequenceNumber":"10"}}]}}`, last, child))
}

func TestS10ChildrenAreAskedFor(t *testing.T) {
	t.Parallel()
	b, f := openFake(t, describing("shardId-2", "shardId-2"), ok(`{"StreamDescription":{"LastEvaluatedShardId":"shardId-4"}}`),
		describing("shardId-5", ""))
	children, err := b.Stream("t").Children(t.Context(), arn, "shardId-1")
	must(t, err)
	wantSame(t, children, []backend.Shard{{ID: "shardId-2", Parent: "shardId-1"}, {ID: "shardId-5", Parent: "shardId-1"}})
	wantSame(t, f.last(), map[string]any{
		"StreamArn":             arn,
		"ShardFilter":           map[string]any{"Type": "CHILD_SHARDS", "ShardId": "shardId-1"},
		"ExclusiveStartShardId": "shardId-4",
	})
	// The stream is the caller's: it is not looked up.
	wantSame(t, f.ops(), []string{"DescribeStream", "DescribeStream", "DescribeStream"})
}

func TestS10ServerThatIgnoresTheFilter(t *testing.T) {
	t.Parallel()
	all := []backend.Shard{{ID: "shardId-1"}, {ID: "shardId-2", Parent: "shardId-1"}}
	for name, test := range map[string]struct {
		answers []answer
		calls   int
	}{
		"without pages":            {[]answer{unfiltered("")}, 1},
		"with a cursor that stays": {[]answer{unfiltered("shardId-2")}, 2},
		"with a cursor that circles": {[]answer{
			unfiltered("shardId-2"), unfiltered("shardId-1"), unfiltered("shardId-2"),
			unfiltered("shardId-1"), unfiltered("shardId-2"),
		}, maxChildPages},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, f := openFake(t, test.answers...)
			children, err := b.Stream("t").Children(t.Context(), arn, "shardId-1")
			must(t, err)
			wantSame(t, children, all)
			wantSame(t, f.count(), test.calls)
		})
	}
}

// unfiltered is a page with a parent and its child.
func unfiltered(last string) answer {
	return ok(fmt.Sprintf(`{"StreamDescription":{"LastEvaluatedShardId":%q,"Shards":[
		{"ShardId":"shardId-1","SequenceNumberRange":{"StartingSequenceNumber":"1","EndingSequenceNumber":"9"}},
		{"ShardId":"shardId-2","ParentShardId":"shardId-1","SequenceNumberRange":{"StartingSequenceNumber":"10"}}]}}`, last))
}

func TestS10ChildrenThatCannotBeListed(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]backend.Kind{
		"ValidationException":       backend.KindInvalid, // the server cannot filter
		"ResourceNotFoundException": backend.KindNotFound,
		"LimitExceededException":    backend.KindThrottled,
	} {
		b, _ := openFake(t, describing("shardId-2", "shardId-2"), failure(400, code, "no"))
		children, err := b.Stream("t").Children(t.Context(), arn, "shardId-1")
		wantError(t, err, want, "Children t shardId-1")
		if children != nil {
			t.Errorf("%s: children %v of a listing that failed", code, children)
		}
	}
}
