package local_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/local"
)

// A reader that comes back after 25 hours meets what it would on AWS: the shard
// that has ended is gone, and of the one that is still open the part that it had
// not read. Virtual time is clock enough for the backend.
func TestS6OutageOf25Hours(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, err := local.Open(local.Memory, local.Options{RollSize: 10, Shards: 1})
		must(t, err)
		defer func() { must(t, b.Close()) }()
		must(t, b.CreateTable(t.Context(), backend.TableSpec{
			Name: "notes", PartitionKey: backend.AttrPK, SortKey: backend.AttrSK, StreamView: "NEW_IMAGE",
		}))
		write := func(from, to int) {
			for i := from; i < to; i++ {
				_, err := b.Table("notes").Put(t.Context(), note(i), backend.Condition{})
				must(t, err)
			}
		}
		stream := b.Stream("notes")
		write(0, 25) // shards of 10, 10 and 5
		shards, arn := list(t, stream)
		wantShards(t, shards, 3)
		ended, open := shards[1], shards[2]
		afterOf := func(shard backend.Shard) backend.Position {
			it, err := stream.Iterator(t.Context(), arn, shard.ID, backend.Position{})
			must(t, err)
			page, err := stream.Records(t.Context(), it, 3)
			must(t, err)
			return backend.Position{Type: backend.AfterSequence, Sequence: page.Records[2].Sequence}
		}
		afterEnded, afterOpen := afterOf(ended), afterOf(open)

		time.Sleep(25 * time.Hour)
		if after, _ := list(t, stream); !slices.Equal(after, []backend.Shard{open}) {
			t.Errorf("after 25 hours these shards are listed: %v", after)
		}
		_, err = stream.Iterator(t.Context(), arn, ended.ID, afterEnded)
		wantKind(t, err, backend.KindNotFound)
		_, err = stream.Iterator(t.Context(), arn, open.ID, afterOpen)
		wantKind(t, err, backend.KindTrimmed)
		// Its only shard says whose child it is, and the gone one knows its child.
		children, err := stream.Children(t.Context(), arn, ended.ID)
		must(t, err)
		wantShards(t, children, 1)

		// From the trim horizon it goes on with what is new, which ends the shard.
		write(25, 35)
		it, err := stream.Iterator(t.Context(), arn, open.ID, backend.Position{})
		must(t, err)
		page, err := stream.Records(t.Context(), it, backend.MaxRecords)
		must(t, err)
		if len(page.Records) != 5 || page.Records[0].Key != backend.KeyOf(note(25)) || page.Next != "" {
			t.Errorf("%d records, next %q; want the five that are new, and the end", len(page.Records), page.Next)
		}
		shards, _ = list(t, stream)
		wantShards(t, shards, 2)
	})
}

func note(i int) backend.Item {
	return backend.Item{
		backend.AttrPK: &types.AttributeValueMemberS{Value: "grace"},
		backend.AttrSK: &types.AttributeValueMemberS{Value: fmt.Sprint(i)},
	}
}

func list(t *testing.T, stream backend.Stream) (shards []backend.Shard, arn string) {
	t.Helper()
	page, err := stream.Shards(t.Context(), "")
	must(t, err)
	return page.Shards, page.StreamARN
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantKind(t *testing.T, err error, want backend.Kind) {
	t.Helper()
	if backend.KindOf(err) != want {
		t.Errorf("error %v, want one of kind %q", err, want)
	}
}

func wantShards(t *testing.T, shards []backend.Shard, want int) {
	t.Helper()
	if len(shards) != want {
		t.Fatalf("shards %v, want %d", shards, want)
	}
}
