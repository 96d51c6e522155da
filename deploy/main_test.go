package deploy_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/aws"
	"github.com/postroom/postroom/backend/local"
	"github.com/postroom/postroom/deploy"
	"github.com/postroom/postroom/internal/emulator"
)

var emulators emulator.Set

func TestMain(m *testing.M) { goleak.VerifyTestMain(emulators.Main(m)) }

// everywhere runs a test on every backend, with names that no other test uses.
func everywhere(t *testing.T, test func(t *testing.T, b backend.Backend, o deploy.Options)) {
	for name, open := range map[string]func(*testing.T) (backend.Backend, error){
		"local": func(*testing.T) (backend.Backend, error) {
			return local.Open(":memory:", local.Options{})
		},
		"aws": func(t *testing.T) (backend.Backend, error) {
			emulators.Start(t)
			return aws.Open(t.Context(), aws.Options{CallTimeout: 2 * time.Minute}) // of a machine that is busy
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := open(t)
			must(t, err)
			t.Cleanup(func() { b.Close() })
			id := uuid.NewString()[:8]
			test(t, b, deploy.Options{Table: "table-" + id, Queue: "queue-" + id + ".fifo", Index: true})
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
