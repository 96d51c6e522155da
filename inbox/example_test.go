package inbox_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/local"
	"github.com/postroom/postroom/inbox"
)

// A page for an application to show, with a cursor for the next one.
func ExampleInbox_Messages() {
	ctx := context.Background()
	store, err := local.Open(local.Memory, local.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	if err := store.CreateTable(ctx, backend.TableSpec{Name: "postroom", PartitionKey: "PK", SortKey: "SK"}); err != nil {
		log.Fatal(err)
	}
	table := store.Table("postroom")
	for i, text := range []string{"Lunch?", "At noon", "Bring a coat"} {
		m := postroom.Message{
			GroupUUID:   "9b2f6c1e-3c0d-4a6e-8f59-1d2c3b4a5e66",
			MessageUUID: fmt.Sprintf("c5a1f7de-6a6e-4a39-9c53-0e1a2b3c4d%02d", i),
			UserUUID:    "0b0c4c5e-5f0e-4b6f-9f4e-6a2f1c0d7e11",
			DisplayName: "Ann", Handle: "ann", Text: text,
			CreatedAt: time.Date(2026, 5, 21, 10, 30, i, 0, time.UTC),
		}
		if _, err := table.Put(ctx, m.Item(), backend.Condition{Absent: true}); err != nil {
			log.Fatal(err)
		}
	}

	opts := inbox.PageOptions{Limit: 2}
	for {
		page, err := inbox.New(table).Messages(ctx, "9b2f6c1e-3c0d-4a6e-8f59-1d2c3b4a5e66", "2026-05", opts)
		if err != nil {
			log.Fatal(err)
		}
		for _, m := range page.Items {
			fmt.Println(m.CreatedAt.Format(time.TimeOnly), m.Text)
		}
		if page.Cursor == "" {
			break
		}
		fmt.Println("— next page —")
		opts.Cursor = page.Cursor
	}
	// Output:
	// 10:30:02 Bring a coat
	// 10:30:01 At noon
	// — next page —
	// 10:30:00 Lunch?
}
