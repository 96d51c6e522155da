package consumer_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/consumer"
)

// A body with characters that steer a terminal is one line of JSON of the same value,
// without them.
func TestF20LogSinkEscapesWhatSteersATerminal(t *testing.T) {
	t.Parallel()
	const text = "red \u009b31m, reversed \u202e, deleted \x7f, joined \u200d, and \U0001f600"
	body, err := json.Marshal(map[string]string{"preview": text})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := consumer.LogSink(&out).Handle(t.Context(), backend.Delivery{Body: " " + string(body)}); err != nil {
		t.Fatal(err)
	}
	const want = `{"preview":"red \u009b31m, reversed \u202e, deleted \u007f, joined ` + "\u200d, and \U0001f600\"}\n"
	if out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
}
