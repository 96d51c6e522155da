package aws

import (
	"flag"
	"strings"
	"sync"
	"testing"

	"github.com/postroom/postroom/backend/backendtest"
	"github.com/postroom/postroom/internal/emulator"
)

// TestConformance holds this backend to the sentences of the ports, against
// servers that stand in for AWS.
func TestConformance(t *testing.T) {
	deviations := emulator.Deviations()
	var seen sync.Map // names of subtests
	backendtest.Run(t, func(t *testing.T) backendtest.Harness {
		seen.Store(t.Name()[strings.LastIndex(t.Name(), "/")+1:], true)
		return backendtest.Harness{
			Backend:      openEmulators(t),
			Capabilities: emulator.Capabilities(),
			Deviations:   deviations,
		}
	})
	if flag.Lookup("test.run").Value.String() != "" || flag.Lookup("test.skip").Value.String() != "" {
		return // not all subtests ran
	}
	for sentence := range deviations {
		if _, ok := seen.Load(strings.ReplaceAll(sentence, " ", "_")); !ok {
			t.Errorf("the suite has no subtest %q: the deviation has been left behind", sentence)
		}
	}
}
