package aws

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/postroom/postroom/internal/emulator"
)

var emulators emulator.Set

func TestMain(m *testing.M) { goleak.VerifyTestMain(emulators.Main(m)) }

// openEmulators opens a backend on the emulators.
func openEmulators(t *testing.T) *Backend {
	t.Helper()
	emulators.Start(t)
	b, err := Open(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}
