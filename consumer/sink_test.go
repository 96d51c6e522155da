package consumer_test

import (
	"strings"
	"testing"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/consumer"
)

// A body is written as it is or not at all.
func TestF5LogSinkLosesNothing(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	sink := consumer.LogSink(&out)
	for body, want := range map[string]string{
		`{"a":1,"a":2}`:       `body: key "a": the key comes twice`,
		`{"a":"\ud800"}`:      `body: key "a": \ud800 is half of a surrogate pair`,
		"{\"a\":\"\xff\"}":    `body: key "a": byte 7 is not valid UTF-8`,
		`{"a":1} {"a":2}`:     "body: more than one JSON value",
		"{\n\"a\": \n\"b\",}": "body: line 3: not JSON, at byte 5",
	} {
		err := sink.Handle(t.Context(), backend.Delivery{Body: body})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", body, err, want)
		}
	}
	if out.Len() > 0 {
		t.Errorf("wrote %s", out.String())
	}
	if err := sink.Handle(t.Context(), backend.Delivery{Body: "{ \"a\": \"\\u00e9<\",\n \"A\": 1.0 }"}); err != nil || out.String() != "{\"a\":\"\\u00e9<\",\"A\":1.0}\n" {
		t.Errorf("wrote %s, %v", out.String(), err)
	}
}
