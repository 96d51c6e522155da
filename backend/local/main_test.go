package local

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// crashEnv makes the test binary write to the file that it names until it is
// killed, instead of testing.
const crashEnv = "LOCAL_TEST_WRITE_TO"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashEnv); path != "" {
		writeUntilKilled(path)
		return
	}
	goleak.VerifyTestMain(m)
}
