package directory_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/aws"
	"github.com/postroom/postroom/backend/local"
	"github.com/postroom/postroom/directory"
	"github.com/postroom/postroom/internal/emulator"
)

var emulators emulator.Set

func TestMain(m *testing.M) { goleak.VerifyTestMain(emulators.Main(m)) }

const (
	ada   = "11111111-1111-4111-8111-111111111111"
	bob   = "22222222-2222-4222-8222-222222222222"
	chloe = "33333333-3333-4333-8333-333333333333"
)

// everywhere runs a test on every backend, with a table of its own.
func everywhere(t *testing.T, test func(t *testing.T, table backend.Table)) {
	for name, open := range map[string]func(*testing.T) (backend.Backend, error){
		"local": func(*testing.T) (backend.Backend, error) { return local.Open(local.Memory, local.Options{}) },
		"aws": func(t *testing.T) (backend.Backend, error) {
			emulators.Start(t)
			return aws.Open(t.Context(), aws.Options{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := open(t)
			must(t, err)
			t.Cleanup(func() { b.Close() })
			table := "directory-" + uuid.NewString()[:8]
			must(t, b.CreateTable(t.Context(), backend.TableSpec{
				Name: table, PartitionKey: backend.AttrPK, SortKey: backend.AttrSK,
				Index: &backend.IndexSpec{Name: "message-group-uuid-index", PartitionKey: "message_group_uuid", SortKey: "user_uuid"},
			}))
			test(t, b.Table(table))
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// clock is a minute further with each call.
type clock struct{ at time.Time }

func (c *clock) now() time.Time {
	c.at = c.at.Add(time.Minute)
	return c.at
}

func open(table backend.Table) *directory.Directory {
	return directory.NewAt(table, (&clock{time.Date(2026, 5, 21, 10, 0, 0, 0, time.UTC)}).now)
}
