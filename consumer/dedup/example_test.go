package dedup_test

import (
	"context"
	"fmt"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/consumer"
	"github.com/postroom/postroom/consumer/dedup"
)

// A handler that rings a bell, and does not ring it again for a notification that
// comes again. Several processes would share a store made by dedup.NewTable.
func Example() {
	bell := consumer.HandlerFunc(func(_ context.Context, d backend.Delivery) error {
		n, err := postroom.DecodeNotification(d.Body)
		fmt.Println("ring the bell for", n.Subject)
		return err
	})
	id := func(d backend.Delivery) (string, error) {
		n, err := postroom.DecodeNotification(d.Body)
		return n.DeduplicationID(), err
	}
	store, err := dedup.NewMemory(dedup.MemoryOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler, err := dedup.New(bell, store, id, dedup.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	body := postroom.NewNotification("messages", postroom.Message{GroupUUID: "g", MessageUUID: "m"}, "ann").Encode()
	for range 3 { // a consumer.Worker would
		if err := handler.Handle(context.Background(), backend.Delivery{Body: body}); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println("dropped:", handler.Stats().Dropped)
	// Output:
	// ring the bell for ann
	// dropped: 2
}
