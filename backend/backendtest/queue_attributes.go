package backendtest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/postroom/postroom/backend"
)

func queueAttributeTests() []test {
	return []test{
		{"attributes are received as they were sent, up to MaxAttributes, and each time", testAttributes},
		{"attributes move to the dead-letter queue with their message", func(t *testing.T, h Harness) {
			for _, kind := range queueKinds() {
				live, dead, ok := newDeadLetterPair(t, h, kind.with, 1)
				if !ok {
					return
				}
				send(t, live, withAttributes(kind.entry("m"), "why", "because"))
				change(t, live, 0, takeOne(t, live, "m", hidden))
				takeNone(t, live)
				wantEqual(t, takeOne(t, dead, "m", hidden).Attributes, map[string]string{"why": "because"})
			}
		}},
		{"attributes count as bytes of their message, with name and type", func(t *testing.T, h Harness) {
			q := newQueue(t, h, fifo)
			const others = len("m" + "name" + "String")
			value := strings.Repeat("x", backend.MaxQueueBytes-others)
			send(t, q, withAttributes(backend.SendEntry{Body: "m", GroupID: "g", DeduplicationID: "1"}, "name", value))
			if d := takeOne(t, q, "m", hidden); d.Attributes["name"] != value {
				t.Fatalf("received %d bytes, want %d", len(d.Attributes["name"]), len(value))
			}
			large := withAttributes(backend.SendEntry{Body: "m", GroupID: "h", DeduplicationID: "2"}, "name", value+"x")
			failed, err := q.Send(t.Context(), []backend.SendEntry{large})
			wantRefused(t, failed, err)
			half := withAttributes(entry("h", "2"), "name", value[len(value)/2:])
			_, err = q.Send(t.Context(), []backend.SendEntry{half, withAttributes(entry("i", "3"), "name", value[len(value)/2:])})
			wantKind(t, err, backend.KindInvalid)
			takeNone(t, q)
		}},
		{"Q2: an attribute that SQS refuses fails its entry only, by the sender's fault", testBadAttributes},
	}
}

// withAttributes adds attributes to a message, given as names and values in turn.
func withAttributes(e backend.SendEntry, pairs ...string) backend.SendEntry {
	e.Attributes = map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		e.Attributes[pairs[i]] = pairs[i+1]
	}
	return e
}

// manyAttributes returns so many attributes: a0, a1, ….
func manyAttributes(n int) (pairs []string) {
	for i := range n {
		pairs = append(pairs, fmt.Sprint("a", i), fmt.Sprint(i))
	}
	return pairs
}

func testAttributes(t *testing.T, h Harness) {
	long := strings.Repeat("n", 255)
	for _, kind := range queueKinds() {
		q := newQueue(t, h, kind.with)
		for _, e := range []backend.SendEntry{
			kind.entry("none"),
			withAttributes(kind.entry("names"), "aZ09_-.x", "1", long, "2", "awsome", "3"),
			withAttributes(kind.entry("values"), "v", "\t\n\r '\"\\<&>\u2028\ud7ff\ue000\ufffd\U00010000😀", "w", "0"),
			withAttributes(kind.entry("many"), manyAttributes(backend.MaxAttributes)...),
		} {
			send(t, q, e)
			d := takeOne(t, q, e.Body, hidden)
			wantEqual(t, d.Attributes, e.Attributes)
			change(t, q, 0, d)
			d = takeOne(t, q, e.Body, hidden)
			wantEqual(t, d.Attributes, e.Attributes)
			remove(t, q, d)
		}
	}
}

func testBadAttributes(t *testing.T, h Harness) {
	q := newQueue(t, h, fifo)
	for what, pairs := range map[string][]string{
		"too many":             manyAttributes(backend.MaxAttributes + 1),
		"no name":              {"", "v"},
		"a long name":          {strings.Repeat("n", 257), "v"},
		"a space in the name":  {"a b", "v"},
		"a letter of others":   {"é", "v"},
		"a period in front":    {".a", "v"},
		"a period at the end":  {"a.", "v"},
		"two periods":          {"a..b", "v"},
		"a name of AWS":        {"AWS.a", "v"},
		"a name of Amazon":     {"amazon.a", "v"},
		"no value":             {"a", ""},
		"a character of none":  {"a", "\x00"},
		"a character too high": {"a", "\uffff"},
	} {
		failed, err := q.Send(t.Context(), []backend.SendEntry{
			entry("a", "before"), // deduplicated from the second time on
			withAttributes(entry("b", "bad"), pairs...),
			entry("c", "after"),
		})
		must(t, err)
		if len(failed) != 1 || failed[0].Index != 1 || failed[0].Code != "InvalidParameterValue" || !failed[0].SenderFault {
			t.Errorf("%s: failed: %+v, want entry 1 alone, with InvalidParameterValue, by the sender's fault", what, failed)
		}
	}
	ds := take(t, q, 2, hidden)
	wantEqual(t, sorted(bodies(ds)), []string{"after", "before"})
	takeNone(t, q)
}
