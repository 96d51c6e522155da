package stream_test

import (
	"context"
	"fmt"
	"log"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/local"
	"github.com/postroom/postroom/stream"
)

func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	b, err := local.Open(local.Memory, local.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	for _, spec := range []backend.TableSpec{
		{Name: "orders", PartitionKey: "PK", SortKey: "SK", StreamView: "NEW_IMAGE"},
		{Name: "orders-control", PartitionKey: "PK", SortKey: "SK"},
	} {
		if err := b.CreateTable(ctx, spec); err != nil {
			log.Fatal(err)
		}
	}
	item := backend.Item{
		"PK": &types.AttributeValueMemberS{Value: "order"},
		"SK": &types.AttributeValueMemberS{Value: "1"},
	}
	if _, err := b.Table("orders").Put(ctx, item, backend.Condition{}); err != nil {
		log.Fatal(err)
	}

	handle := func(_ context.Context, records []*stream.Record) error {
		for _, r := range records {
			fmt.Println(r.Event, r.Key.PK, r.Key.SK)
			r.Ack() // once it is durably done
		}
		cancel() // an example has to end
		return nil
	}
	reader := stream.NewReader(b.Stream("orders"), b.Table("orders-control"), handle, stream.Options{})
	if err := reader.Run(ctx); err != nil {
		log.Fatal(err)
	}
	// Output: INSERT order 1
}
