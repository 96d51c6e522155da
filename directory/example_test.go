package directory_test

import (
	"context"
	"fmt"
	"log"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/local"
	"github.com/postroom/postroom/directory"
)

// A user gets a handle, and gives it up for another one.
func Example() {
	ctx := context.Background()
	b, err := local.Open(local.Memory, local.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	const table = "postroom"
	if err := b.CreateTable(ctx, backend.TableSpec{Name: table, PartitionKey: backend.AttrPK, SortKey: backend.AttrSK}); err != nil {
		log.Fatal(err)
	}
	users := directory.New(b.Table(table))

	const ada, bob = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
	_, err = users.Add(ctx, directory.Profile{UserUUID: ada, DisplayName: "Ada Lovelace", Handle: "@Ada"})
	fmt.Println(err)
	_, err = users.Add(ctx, directory.Profile{UserUUID: bob, DisplayName: "Bob", Handle: "ada"})
	fmt.Println(err)
	_, err = users.Rename(ctx, ada, directory.Names{Handle: "p\u0430yments"})
	fmt.Println(err)
	_, err = users.Rename(ctx, ada, directory.Names{Handle: "lovelace"})
	fmt.Println(err)
	found, err := users.ByHandle(ctx, "@LOVELACE")
	fmt.Println(found.DisplayName, found.DID(), err)
	// Output:
	// <nil>
	// "ada": the handle is taken: it is that of user 11111111-1111-4111-8111-111111111111
	// invalid: handle "pаyments": character 2 is 'а' (U+0430), which is Cyrillic among Latin: write all letters in one script
	// <nil>
	// Ada Lovelace did:postroom:11111111-1111-4111-8111-111111111111 <nil>
}
