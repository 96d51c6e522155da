package aws

import (
	"os"
	"testing"

	"github.com/postroom/postroom/backend/backendtest"
	"github.com/postroom/postroom/internal/emulator"
)

// TestConformance holds this backend to the sentences of the ports, against each
// server that stands in for AWS, or for a part of it. The slow ones, which are written
// in Python, have their turn with POSTROOM_SERVERS=slow.
func TestConformance(t *testing.T) {
	type harness = func(t *testing.T) backendtest.Harness
	tables := func(t *testing.T, open harness) {
		backendtest.RunTable(t, open)
		backendtest.RunStream(t, open)
	}
	suites := map[emulator.Server]func(*testing.T, harness){
		emulator.Dynoxide:  tables,
		emulator.Fauxqs:    backendtest.RunQueue,
		emulator.ElasticMQ: backendtest.RunQueue,
	}
	if os.Getenv("POSTROOM_SERVERS") == "slow" {
		suites = map[emulator.Server]func(*testing.T, harness){
			emulator.Moto:       backendtest.Run,
			emulator.LocalStack: backendtest.RunQueue,
		}
	}
	for server, suite := range suites {
		t.Run(string(server), func(t *testing.T) {
			t.Parallel()
			alone := emulator.Set{Tables: server, Queues: server}
			t.Cleanup(func() { must(t, alone.Close()) })
			url := alone.Run(t).SQS
			deviations := alone.Deviations()
			suite(t, func(t *testing.T) backendtest.Harness {
				return backendtest.Harness{
					Backend:      openAt(t, url),
					Capabilities: alone.Capabilities(),
					Deviations:   deviations,
				}
			})
			backendtest.Deviate(t, deviations)
		})
	}
}
