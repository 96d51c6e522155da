package projector_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/local"
	"github.com/postroom/postroom/deploy"
	"github.com/postroom/postroom/projector"
)

// A projector on the embedded backend, which runs until nothing is left to do.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	store, err := local.Open(local.Memory, local.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	_, err = deploy.Provision(ctx, store, deploy.Options{Table: "postroom", Queue: "postroom-notifications.fifo", Index: true})
	if err != nil {
		log.Fatal(err)
	}
	ann := postroom.Member{UserUUID: "0b0c4c5e-5f0e-4b6f-9f4e-6a2f1c0d7e11", DisplayName: "Ann", Handle: "ann"}
	ben := postroom.Member{UserUUID: "7d1a2f60-1d3b-4b4b-8a55-2f0f4d2c9b22", DisplayName: "Ben", Handle: "ben"}
	hello := postroom.Message{
		GroupUUID: postroom.PairUUID(ann.UserUUID, ben.UserUUID), MessageUUID: "c5a1f7de-6a6e-4a39-9c53-0e1a2b3c4d33",
		UserUUID: ann.UserUUID, DisplayName: ann.DisplayName, Handle: ann.Handle,
		Text: "Lunch?", CreatedAt: time.Date(2026, 5, 21, 10, 30, 0, 0, time.UTC),
		Members: []postroom.Member{ann, ben},
	}
	table := store.Table("postroom")
	if _, err := table.Put(ctx, hello.Item(), backend.Condition{Absent: true}); err != nil {
		log.Fatal(err)
	}

	queue := store.Queue("postroom-notifications.fifo")
	p := projector.New(projector.Config{
		Table: table, Control: store.Table(postroom.ControlTable("postroom")), Stream: store.Stream("postroom"),
		Queue: queue, QueueName: "postroom-notifications.fifo", TableName: "postroom", Index: true,
	}, projector.Options{})
	ended := make(chan error)
	go func() { ended <- p.Run(ctx) }()
	if _, err := queue.Receive(ctx, 1, backend.MaxWait, time.Minute); err != nil { // until Ben is notified
		log.Fatal(err)
	}
	stop()
	if err := <-ended; err != nil {
		log.Fatal(err)
	}

	rows, err := table.Query(context.Background(), backend.Query{PK: postroom.InboxKey(ben.UserUUID), Descending: true})
	if err != nil {
		log.Fatal(err)
	}
	for _, item := range rows.Items {
		row, err := postroom.GroupFromItem(item)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("in Ben's list: %s: %s\n", row.OtherUserDisplayName, row.LastMessage)
	}
	fmt.Println("notifications:", p.Stats().NotificationsSent)
	// Output:
	// in Ben's list: Ann: Lunch?
	// notifications: 1
}
