package aws

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/postroom/postroom/internal/emulator"
)

// TestMain runs the tests in an environment without an AWS account.
func TestMain(m *testing.M) { goleak.VerifyTestMain(new(emulator.Set).Main(m)) }
