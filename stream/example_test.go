package stream_test

import (
	"context"
	"fmt"
	"log"
	"time"

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
	source, control := newOrders(ctx, b)

	handle := func(_ context.Context, records []*stream.Record) error {
		for _, r := range records {
			fmt.Println(r.Event, r.Key.PK, r.Key.SK)
			r.Ack() // once it is durably done
		}
		cancel() // an example has to end
		return nil
	}
	reader := stream.NewReader(source, control, handle, stream.Options{})
	if err := reader.Run(ctx); err != nil {
		log.Fatal(err)
	}
	// Output: INSERT order 1
}

// What the stream still holds is handled once more, beside whoever reads it all the
// time: by a group of its own, which ends where it began. Whatever interrupts it, it is
// resumed under its name, on this machine or another, by as many workers as are started.
func ExampleOptions_group() {
	ctx := context.Background()
	b, err := local.Open(local.Memory, local.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	source, control := newOrders(ctx, b)

	handle := func(_ context.Context, records []*stream.Record) error {
		for _, r := range records {
			fmt.Println("again:", r.Key.SK)
			r.Ack()
		}
		return nil
	}
	start, err := stream.ParseStart("2h", time.Now())
	if err != nil {
		log.Fatal(err)
	}
	options := stream.Options{Group: "replay-2026-05-21", Start: start, Until: time.Now()}
	// The stream is younger than two hours, which is no loss here.
	options.OnDataLoss = func(_ context.Context, loss *stream.DataLossError) error {
		fmt.Println("not in the stream:", loss.Until.Sub(loss.AfterTime) > time.Hour)
		return nil
	}
	for range 2 { // the second time there is nothing left to do
		if err := stream.NewReader(source, control, handle, options).Run(ctx); err != nil {
			log.Fatal(err)
		}
	}
	groups, err := stream.ReadGroups(ctx, source, control)
	if err != nil {
		log.Fatal(err)
	}
	for _, g := range groups {
		fmt.Println(g.Group, "is done:", !g.DoneAt.IsZero())
	}
	if err := stream.RemoveGroup(ctx, source, control, options.Group); err != nil {
		log.Fatal(err)
	}
	// Output:
	// not in the stream: true
	// again: 1
	// replay-2026-05-21 is done: true
}

// newOrders makes a table of orders with one in it, and returns its stream and a control
// table.
func newOrders(ctx context.Context, b backend.Backend) (backend.Stream, backend.Table) {
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
	return b.Stream("orders"), b.Table("orders-control")
}
