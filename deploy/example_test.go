package deploy_test

import (
	"context"
	"fmt"

	"github.com/postroom/postroom/backend/local"
	"github.com/postroom/postroom/deploy"
)

func ExampleProvision() {
	ctx := context.Background()
	b, err := local.Open(":memory:", local.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()
	options := deploy.Options{Table: "postroom", Queue: "postroom-notifications.fifo", Index: true}
	for range 2 {
		report, err := deploy.Provision(ctx, b, options)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(len(report.Created), "created,", len(report.Existing), "existed before")
	}
	// Output:
	// 4 created, 0 existed before
	// 0 created, 4 existed before
}
