package producer_test

import (
	"context"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/local"
	"github.com/postroom/postroom/producer"
)

// exampleTable is a table in memory.
func exampleTable(ctx context.Context) (table backend.Table, closeAll func() error) {
	store, err := local.Open(local.Memory, local.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if err := store.CreateTable(ctx, backend.TableSpec{Name: "postroom", PartitionKey: "PK", SortKey: "SK"}); err != nil {
		log.Fatal(err)
	}
	return store.Table("postroom"), store.Close
}

// A program fills in a message and takes the time from its clock, as it is.
func Example() {
	ctx := context.Background()
	table, closeAll := exampleTable(ctx)
	defer closeAll()

	ann := postroom.Member{UserUUID: "0b0c4c5e-5f0e-4b6f-9f4e-6a2f1c0d7e11", DisplayName: "Ann", Handle: "ann"}
	ben := postroom.Member{UserUUID: "7d1a2f60-1d3b-4b4b-8a55-2f0f4d2c9b22", DisplayName: "Ben", Handle: "ben"}
	m := postroom.Message{
		GroupUUID:   postroom.PairUUID(ann.UserUUID, ben.UserUUID),
		MessageUUID: uuid.NewString(),
		UserUUID:    ann.UserUUID, DisplayName: ann.DisplayName, Handle: ann.Handle,
		Text:      "Lunch?",
		CreatedAt: time.Now(),
		Members:   []postroom.Member{ann, ben},
	}
	result, err := producer.New(table, producer.Options{}).Post(ctx, m)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("stored in", result.CreatedAt.Location())
	fmt.Println("less than a microsecond earlier:", m.CreatedAt.Sub(result.CreatedAt) < time.Microsecond)
	// Output:
	// stored in UTC
	// less than a microsecond earlier: true
}

// A message from one person to another. Posting it again is safe.
func ExampleProducer_Post() {
	ctx := context.Background()
	table, closeAll := exampleTable(ctx)
	defer closeAll()

	p := producer.New(table, producer.Options{})
	m, err := p.Compose(producer.Draft{
		From: postroom.Member{UserUUID: "0b0c4c5e-5f0e-4b6f-9f4e-6a2f1c0d7e11", DisplayName: "Ann", Handle: "ann"},
		To:   []postroom.Member{{UserUUID: "7d1a2f60-1d3b-4b4b-8a55-2f0f4d2c9b22", DisplayName: "Ben", Handle: "ben"}},
		Text: "Lunch?",
	})
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		result, err := p.Post(ctx, m)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("already there:", result.AlreadyThere)
	}
	// Output:
	// already there: false
	// already there: true
}

// A file of messages, of which one line is broken.
func ExampleProducer_PostAll() {
	ctx := context.Background()
	table, closeAll := exampleTable(ctx)
	defer closeAll()

	m := postroom.Message{
		GroupUUID:   "9b2f6c1e-3c0d-4a6e-8f59-1d2c3b4a5e66",
		MessageUUID: "c5a1f7de-6a6e-4a39-9c53-0e1a2b3c4d33",
		UserUUID:    "0b0c4c5e-5f0e-4b6f-9f4e-6a2f1c0d7e11",
		DisplayName: "Ann", Handle: "ann", Text: "Lunch?",
		CreatedAt: time.Date(2026, 5, 21, 10, 30, 0, 0, time.UTC),
	}
	line, err := m.MarshalJSON()
	if err != nil {
		log.Fatal(err)
	}
	file := strings.NewReader(string(line) + "\nnot a message\n" + string(line) + "\n")

	p := producer.New(table, producer.Options{Now: func() time.Time { return m.CreatedAt }})
	summary, err := p.PostAll(ctx, postroom.ReadMessages(file), producer.BatchOptions{
		Report: func(o producer.Outcome) {
			if o.Err != nil {
				fmt.Println(o.Err)
			}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d stored, %d there already, %d refused\n", summary.Stored, summary.AlreadyThere, summary.Refused)
	// Output:
	// line 2: not JSON, at byte 2: invalid character 'o' in literal null (expecting 'u')
	// 1 stored, 1 there already, 1 refused
}
