package aws_test

import (
	"context"
	"fmt"
	"log"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/aws"
)

// Region and credentials are those of the environment; the endpoint is that of
// an emulator.
func ExampleOpen() {
	ctx := context.Background()
	b, err := aws.Open(ctx, aws.Options{EndpointURL: "http://localhost:4566"})
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	item, units, err := b.Table("postroom").Get(ctx, backend.Key{PK: "grp#…", SK: "…"})
	switch {
	case backend.Retryable(err):
		fmt.Println("again after a pause:", err)
	case err != nil:
		log.Fatal(err) // says what was called, where, and how to fix it
	default:
		fmt.Println(len(item), "attributes for", units.Read, "read units")
	}
}
