package webhook

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/postroom/postroom/internal/emulator"
)

// delivery is a request as its receiver has it, and the key it checks it with.
type delivery struct {
	Secret  string            `json:"secret"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

func (d delivery) with(change func(*delivery)) delivery {
	d.Headers = maps.Clone(d.Headers)
	change(&d)
	return d
}

// verdicts is what the reference library says of deliveries: what is wrong with
// each.
func verdicts(t *testing.T, deliveries []delivery) []string {
	t.Helper()
	input, err := json.Marshal(deliveries)
	if err != nil {
		t.Fatal(err)
	}
	verify := emulator.Script(t, "testdata/verify.mjs", "standardwebhooks")
	verify.Stdin, verify.Stderr = bytes.NewReader(input), os.Stderr
	output, err := verify.Output()
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	if err := json.Unmarshal(output, &said); err != nil || len(said) != len(deliveries) {
		t.Fatalf("%v: %s", err, output)
	}
	return said
}

// deliverOnce sends a body for real, signed by keys, and returns what arrived.
func deliverOnce(t *testing.T, keys []Key, body string) delivery {
	t.Helper()
	got := make(chan delivery, 1)
	server := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		headers := map[string]string{}
		for name := range r.Header {
			headers[name] = r.Header.Get(name)
		}
		got <- delivery{Headers: headers, Body: string(b)}
	})
	s, err := New(server.URL, keys, Options{AllowPrivate: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := handle(t.Context(), s, body); err != nil {
		t.Fatal(err)
	}
	return <-got
}

// The reference library of Standard Webhooks accepts what the sink sends, also
// while a receiver changes keys, and refuses what was changed on the way.
func TestQ14ReferenceLibraryVerifies(t *testing.T) {
	t.Parallel()
	const body = `{"specversion":"1.0","id":"4f1c","data":{"preview":"héllo <b>&</b> 🙂  \u2028 \"x\""}}`
	one := deliverOnce(t, []Key{testKey(t, 1)}, body)
	two := deliverOnce(t, []Key{testKey(t, 2), testKey(t, 1)}, body)
	stamp := func(age time.Duration) func(*delivery) { // and sign again
		return func(d *delivery) {
			at := time.Now().Add(-age).Unix()
			d.Headers["Webhook-Timestamp"] = strconv.FormatInt(at, 10)
			d.Headers["Webhook-Signature"] = sign([]Key{testKey(t, 1)}, "4f1c", at, body)
		}
	}
	const unknown = "No matching signature found"
	tests := []struct {
		name string
		delivery
		secret byte
		want   string
	}{
		{"one key", one, 1, ""},
		{"two keys, a receiver with the old one", two, 1, ""},
		{"two keys, a receiver with the new one", two, 2, ""},
		{"a minute old", one.with(stamp(time.Minute)), 1, ""},
		{"wrong key", one, 2, unknown},
		{"two keys, another one", two, 3, unknown},
		{"tampered body", one.with(func(d *delivery) { d.Body += " " }), 1, unknown},
		{"another id", one.with(func(d *delivery) { d.Headers["Webhook-Id"] = "4f1d" }), 1, unknown},
		{"another time", one.with(func(d *delivery) {
			d.Headers["Webhook-Timestamp"] = strconv.FormatInt(time.Now().Unix()-60, 10)
		}), 1, unknown},
		{"old", one.with(stamp(6 * time.Minute)), 1, "Message timestamp too old"},
		{"unsigned", one.with(func(d *delivery) { delete(d.Headers, "Webhook-Signature") }), 1, "Missing required headers"},
	}
	deliveries := make([]delivery, len(tests))
	for i, test := range tests {
		deliveries[i] = test.with(func(d *delivery) { d.Secret = keyText(test.secret) })
	}
	for i, said := range verdicts(t, deliveries) {
		if said != tests[i].want {
			t.Errorf("%s: %q, want %q", tests[i].name, said, tests[i].want)
		}
	}
}
