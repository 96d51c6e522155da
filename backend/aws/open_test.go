package aws

import (
	"strings"
	"testing"

	"github.com/postroom/postroom/backend"
)

// These set the environment, and so do not run beside others.

func TestNoRegion(t *testing.T) {
	t.Setenv("AWS_REGION", "")
	_, err := Open(t.Context(), Options{})
	wantError(t, err, backend.KindInvalid, "AWS_REGION")
}

func TestNoCredentials(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	_, err := Open(t.Context(), Options{Region: "eu-west-1"})
	wantError(t, err, backend.KindDenied, "no usable credentials", "AWS_PROFILE")
}

func TestNoSuchProfile(t *testing.T) {
	t.Setenv("AWS_PROFILE", "nobody")
	_, err := Open(t.Context(), Options{})
	wantError(t, err, backend.KindInvalid, "nobody")
}

// noEndpoints takes the emulators out of the environment.
func noEndpoints(t *testing.T) {
	for _, service := range []string{"", "_DYNAMODB", "_DYNAMODB_STREAMS", "_SQS"} {
		t.Setenv("AWS_ENDPOINT_URL"+service, "")
	}
}

func TestEndpointsFromTheEnvironment(t *testing.T) {
	noEndpoints(t)
	t.Setenv("AWS_ENDPOINT_URL", "http://all.test")
	t.Setenv("AWS_ENDPOINT_URL_SQS", "http://sqs.test")
	b, err := Open(t.Context(), Options{})
	must(t, err)
	defer b.Close()
	wantSame(t, []string{b.onDB.place, b.onStreams.place, b.onSQS.place},
		[]string{"DynamoDB at http://all.test", "DynamoDB Streams at http://all.test", "SQS at http://sqs.test"})

	b, err = Open(t.Context(), Options{EndpointURL: "http://option.test"})
	must(t, err)
	defer b.Close()
	for _, s := range []*service{b.onDB, b.onStreams, b.onSQS} {
		if !strings.HasSuffix(s.place, " at http://option.test") {
			t.Error(s.place)
		}
	}
}

func TestAWSItselfByDefault(t *testing.T) {
	noEndpoints(t)
	b, err := Open(t.Context(), Options{Region: "eu-north-1"})
	must(t, err)
	defer b.Close()
	wantSame(t, b.onDB.place, "DynamoDB in eu-north-1")
}
