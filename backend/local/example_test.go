package local_test

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/local"
)

// A table in memory, for a test: what is put comes out of its stream.
func ExampleOpen() {
	ctx := context.Background()
	b, err := local.Open(local.Memory, local.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()

	spec := backend.TableSpec{Name: "notes", PartitionKey: "PK", SortKey: "SK", StreamView: "NEW_IMAGE"}
	if err := b.CreateTable(ctx, spec); err != nil {
		fmt.Println(err)
		return
	}
	note := backend.Item{
		"PK": &types.AttributeValueMemberS{Value: "grace"},
		"SK": &types.AttributeValueMemberS{Value: "2026-05-21"},
	}
	units, err := b.Table("notes").Put(ctx, note, backend.Condition{Absent: true})
	fmt.Println(units.Write, err)
	_, err = b.Table("notes").Put(ctx, note, backend.Condition{Absent: true})
	fmt.Println(err)

	stream := b.Stream("notes")
	list, _ := stream.Shards(ctx, "")
	it, _ := stream.Iterator(ctx, list.StreamARN, list.Shards[0].ID, backend.Position{Type: backend.TrimHorizon})
	page, _ := stream.Records(ctx, it, backend.MaxRecords)
	for _, r := range page.Records {
		fmt.Println(r.Event, r.Key)
	}
	// Output:
	// 1 <nil>
	// Put notes: condition failed: the conditional request failed
	// INSERT {grace 2026-05-21}
}
