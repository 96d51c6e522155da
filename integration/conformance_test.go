package integration

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/postroom/postroom/backend/aws"
	"github.com/postroom/postroom/backend/backendtest"
	"github.com/postroom/postroom/internal/emulator"
)

// TestConformance holds backend/aws to the sentences of the ports, against the
// server in the container.
func TestConformance(t *testing.T) {
	t.Parallel()
	s := sharedServer(t)
	capabilities, deviations := knownOf(t, s)
	backendtest.Run(t, func(t *testing.T) backendtest.Harness {
		b, err := aws.Open(t.Context(), aws.Options{EndpointURL: s.url})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		return backendtest.Harness{Backend: b, Capabilities: capabilities, Deviations: deviations}
	})
}

// knownOf returns what a server can show, and where it differs from AWS.
func knownOf(t *testing.T, s *server) (backendtest.Capabilities, map[string]string) {
	t.Helper()
	if s.url == "" {
		return ofAWS(), nil
	}
	if h := healthOf(t, s); h.Edition == "postroom-standin" {
		// The test of backend/aws fails for deviations that are out of date.
		servers := emulator.Set{Queues: emulator.Server(h.Queues)}
		return servers.Capabilities(), servers.Deviations()
	}
	return ofLocalStack(), ofDynamoDBLocal
}

// ofDynamoDBLocal is where DynamoDB Local 3.3.1 is wrong about AWS, which
// LocalStack passes tables and streams on to.
var ofDynamoDBLocal = map[string]string{
	"a record carries the image of the item, of every type":                                       "an empty map in a map comes back as another value",
	"Transact of no actions, of too many, or of two on one key is KindInvalid and writes nothing": "a put and a check of one key are not refused as such",
}

// ofAWS is what AWS shows within the time of a test.
func ofAWS() backendtest.Capabilities {
	return backendtest.Capabilities{
		ConsumedCapacity:    true,
		TokenReplay:         true,
		DeletionProtection:  true,
		PointInTimeRecovery: true,
		TimeToLive:          true,
		Closes:              true,
		NoOpWritesSilent:    true,
		// FailedConditionUnits: AWS does not report them.
		// ManyShards, Rolls: it takes more records.

		DeduplicationWindow: true,
		ExpiredReceiptFails: true,
		DeadLetters:         true,
		QueueDescription:    true,
		// ExactDepth: the counts settle a minute later.
		// GroupReceivedTogether: a receive may return fewer than there are.
	}
}

// ofLocalStack is what LocalStack 4.14 shows with its DynamoDB Local
// (PROVIDER_OVERRIDE_DYNAMODB=v2). The suite has not been run on it, and a
// capability is a promise: what its documentation and source leave open is left
// out.
func ofLocalStack() backendtest.Capabilities {
	return backendtest.Capabilities{
		Closes: true,
		// ManyShards, Rolls: shards of DynamoDB Local "might differ" from AWS's.
		// ExpiredReceiptFails: its source refuses them, and calls that unfinished.
		// Retention: off by default.
	}
}

// health is what a server says of itself; empty where it does not.
type health struct {
	Edition string
	Queues  string // of the stand-in: which server for queues it has
}

func healthOf(t *testing.T, s *server) (h health) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/_localstack/health", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if json.NewDecoder(response.Body).Decode(&h) != nil {
		return health{} // another server's page
	}
	return h
}
