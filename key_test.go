package postroom_test

import (
	"cmp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/postroom/postroom"
)

func TestTimesSortAsText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := times().Draw(t, "a"), times().Draw(t, "b")
		if got, want := strings.Compare(postroom.FormatTime(a), postroom.FormatTime(b)), a.Compare(b); got != want {
			t.Fatalf("as text %d, as times %d", got, want)
		}
		back, err := postroom.ParseTime(postroom.FormatTime(a))
		if err != nil || !back.Equal(a) {
			t.Fatalf("%s came back as %s, %v", a, back, err)
		}
	})
}

func TestP5ParseAnyTime(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"2026-05-21T10:30:00Z":           "2026-05-21T10:30:00.000000Z",
		"2026-05-21T12:30:00+02:00":      "2026-05-21T10:30:00.000000Z",
		"2026-05-20T23:45:00.5-10:45":    "2026-05-21T10:30:00.500000Z",
		"2026-05-21T10:30:00.123456789Z": "2026-05-21T10:30:00.123456Z",
		"0001-01-01T00:00:00.000001Z":    "0001-01-01T00:00:00.000001Z",
		"9999-12-31T23:59:59.999999999Z": "9999-12-31T23:59:59.999999Z",
		"2024-02-29T00:00:00Z":           "2024-02-29T00:00:00.000000Z",
	} {
		got, err := postroom.ParseAnyTime(in)
		if err != nil || postroom.FormatTime(got) != want {
			t.Errorf("%s: %s, %v; want %s", in, postroom.FormatTime(got), err, want)
		}
	}
	for _, in := range []string{
		"", "yesterday", "2026-05-21", "2026-05-21T10:30:00", "2026-05-21 10:30:00Z", "2026-02-30T00:00:00Z",
		"2026-05-21T25:00:00Z", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "12026-01-01T00:00:00Z",
	} {
		if got, err := postroom.ParseAnyTime(in); err == nil {
			t.Errorf("%q is taken for %s", in, got)
		}
	}
}

func TestF6TimesAreRFC3339Exactly(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"2026-05-21t10:30:00z":               "2026-05-21T10:30:00.000000Z",
		"2026-05-21T12:30:00.25+02:00":       "2026-05-21T10:30:00.250000Z",
		"2026-05-21t10:30:00-00:00":          "2026-05-21T10:30:00.000000Z",
		"2026-05-22T10:29:00+23:59":          "2026-05-21T10:30:00.000000Z",
		"2026-05-21T10:30:00.1234567890123Z": "2026-05-21T10:30:00.123456Z",
		"0001-01-01T01:00:00.000001+01:00":   "0001-01-01T00:00:00.000001Z",
		// Leap seconds. The first two are examples of RFC 3339, 5.8.
		"1990-12-31T23:59:60Z":       "1991-01-01T00:00:00.000000Z",
		"1990-12-31T15:59:60-08:00":  "1991-01-01T00:00:00.000000Z",
		"2015-06-30t23:59:60.9999z":  "2015-07-01T00:00:00.999900Z",
		"2017-01-01T05:29:60+05:30":  "2017-01-01T00:00:00.000000Z",
		"2016-12-31T23:59:59.99999Z": "2016-12-31T23:59:59.999990Z",
	} {
		got, err := postroom.ParseAnyTime(in)
		if err != nil || postroom.FormatTime(got) != want || got.Location() != time.UTC {
			t.Errorf("%s: %s, %v; want %s", in, got, err, want)
		}
	}
	for in, want := range map[string]string{
		"2026-05-21T10:30:00+24:00":           "not RFC 3339",
		"2026-05-21T10:30:00+23:60":           "not RFC 3339",
		"2026-05-21T10:30:00-99:00":           "not RFC 3339",
		"2026-05-21T10:30:00+0200":            "not RFC 3339",
		"2026-05-21T10:30:00+02":              "not RFC 3339",
		"2026-05-21T10:30:00\u221202:00":      "not RFC 3339",
		"2026-05-21T0:30:00Z":                 "not RFC 3339",
		"2026-05-21T10:30:00,5Z":              "not RFC 3339",
		"2026-05-21T10:30:00.Z":               "not RFC 3339",
		"2026-05-21T10:30Z":                   "not RFC 3339",
		"2026-05-21T24:00:00Z":                "not RFC 3339",
		"2026-05-21T10:60:00Z":                "not RFC 3339",
		"2026-05-21T10:30:61Z":                "not RFC 3339",
		"2026-13-21T10:30:00Z":                "not RFC 3339",
		"2026-00-21T10:30:00Z":                "not RFC 3339",
		"2026-05-00T10:30:00Z":                "not RFC 3339",
		"2025-02-29T10:30:00Z":                "not RFC 3339",
		"2026-05-21_10:30:00Z":                "not RFC 3339",
		"2026-05-21T10:30:00":                 "not RFC 3339",
		"2026-05-21T10:30:00Z\n":              "not RFC 3339",
		"\t2026-05-21T10:30:00Z":              "not RFC 3339",
		"+2026-05-21T10:30:00Z":               "not RFC 3339",
		"\u0662026-05-21T10:30:00Z":           "not RFC 3339",
		"2026-05-21T10:30:60Z":                "leap second",
		"2016-12-31T23:58:60Z":                "leap second",
		"2016-12-30T23:59:60Z":                "leap second",
		"2016-03-31T23:59:60Z":                "leap second",
		"2016-12-31T23:59:60+01:00":           "leap second",
		"9999-12-31T23:59:60Z":                "years 1 to 9999",
		"0000-12-31T23:59:59Z":                "years 1 to 9999",
		"0001-01-01T00:00:00Z":                "stands for a time that is missing",
		"0001-01-01t00:00:00.0000009z":        "stands for a time that is missing",
		"0001-01-01T02:00:00+02:00":           "stands for a time that is missing",
		"0000-12-31T23:59:60Z":                "stands for a time that is missing",
		strings.Repeat("2026-05-21T", 1<<20):  "not RFC 3339",
		strings.Repeat("\x80\xff\\\"", 1<<20): "not RFC 3339",
	} {
		got, err := postroom.ParseAnyTime(in)
		if err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 500 {
			t.Errorf("%.60q: %s, %.600v; want %q", in, got, err, want)
		}
	}
}

func TestParseTimeTakesStoredTimesOnly(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"2026-05-21T10:30:00Z", "2026-05-21T10:30:00.000Z", "2026-05-21T10:30:00.0000000Z", "2026-05-21T10:30:00.000000+00:00",
		"2026-05-21t10:30:00.000000z", " 2026-05-21T10:30:00.000000Z", "2026-05-21T10:30:00,000000Z", "",
	} {
		if got, err := postroom.ParseTime(in); err == nil {
			t.Errorf("%q is taken for %s", in, got)
		}
	}
}

func TestMessageKeysSortAsPositions(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := messages().Draw(t, "a"), messages().Draw(t, "b")
		if rapid.Bool().Draw(t, "tie") {
			b.CreatedAt = a.CreatedAt
		}
		if got, want := cmp.Compare(a.Key(), b.Key()), a.Position().Compare(b.Position()); got != want {
			t.Fatalf("keys %d, positions %d", got, want)
		}
		if a.Key() <= postroom.HeadKey {
			t.Fatalf("%s sorts before the head", a.Key())
		}
		if (postroom.Position{}).Compare(a.Position()) >= 0 {
			t.Fatal("the zero position is not before every message")
		}
		at, id, err := postroom.ParseMessageKey(a.Key())
		if err != nil || !at.Equal(a.CreatedAt) || id != a.MessageUUID {
			t.Fatalf("%s came apart as %s, %s, %v", a.Key(), at, id, err)
		}
		at, id, err = postroom.ParseRowKey(postroom.RowKey(a.CreatedAt, a.GroupUUID))
		if err != nil || !at.Equal(a.CreatedAt) || id != a.GroupUUID {
			t.Fatalf("row key came apart as %s, %s, %v", at, id, err)
		}
	})
}

func TestKeysThatAreNone(t *testing.T) {
	t.Parallel()
	good := postroom.MessageKey(time.Date(2026, 5, 21, 10, 30, 0, 0, time.UTC), id(0xabcdef01))
	for _, sk := range []string{
		"", "HEAD", "MSG#", strings.TrimPrefix(good, "MSG#"), strings.ToUpper(good), good + " ", good + "#x",
		strings.Replace(good, "#a", "", 1), strings.Replace(good, "2026", "2O26", 1), strings.Replace(good, ".000000Z", "Z", 1),
	} {
		if _, _, err := postroom.ParseMessageKey(sk); err == nil {
			t.Errorf("%q is taken for the key of a message", sk)
		}
	}
	for _, sk := range []string{"", good, "#", "2026-05-21T10:30:00.000000Z", "2026-05-21T10:30:00.000000Z#", "2026-05-21T10:30:00.000000Z#HEAD"} {
		if _, _, err := postroom.ParseRowKey(sk); err == nil {
			t.Errorf("%q is taken for the key of a row", sk)
		}
	}
}

func TestP20CheckUUID(t *testing.T) {
	t.Parallel()
	good := "f47ac10b-58cc-4372-a567-0e02b2c3d479"
	if err := postroom.CheckUUID(good); err != nil {
		t.Error(err)
	}
	for _, s := range []string{
		"", "grp#" + good, strings.ToUpper(good), strings.ReplaceAll(good, "-", ""), "{" + good + "}", "urn:uuid:" + good,
		good + " ", good + "\n", good[:35], good[:35] + "g", "f47ac10b-58cc-4372-a567_0e02b2c3d479", "HEAD",
	} {
		if err := postroom.CheckUUID(s); err == nil {
			t.Errorf("%q is taken for a uuid", s)
		}
	}
}

func TestPairUUID(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := uuids().Draw(t, "a"), uuids().Draw(t, "b"), uuids().Draw(t, "c")
		pair := postroom.PairUUID(a, b)
		if pair != postroom.PairUUID(b, a) {
			t.Fatal("the pair depends on who asks")
		}
		if err := postroom.CheckUUID(pair); err != nil {
			t.Fatal(err)
		}
		if uuid.MustParse(pair).Version() != 8 || !postroom.IsDerived(pair) {
			t.Fatalf("%s is not of version 8", pair)
		}
		if b != c && pair == postroom.PairUUID(a, c) {
			t.Fatal("two pairs have one conversation")
		}
	})
}

// A pair's conversation must stay what it is for ever: these values are data.
func TestPairUUIDIsStable(t *testing.T) {
	t.Parallel()
	if got, want := postroom.PairNamespace.String(), uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://github.com/postroom/postroom/pair")).String(); got != want {
		t.Errorf("namespace %s, want %s", got, want)
	}
	if got, want := postroom.PairUUID(id(2), id(1)), "7805e358-c1a6-89d5-a127-d8c79e129979"; got != want {
		t.Errorf("pair %s, want %s", got, want)
	}
}

func TestNamesOfQueuesAndTables(t *testing.T) {
	t.Parallel()
	if got := postroom.ControlTable("postroom"); got != "postroom-control" {
		t.Error(got)
	}
	for queue, want := range map[string]string{
		"postroom-notifications.fifo": "postroom-notifications-dlq.fifo",
		"postroom-notifications":      "postroom-notifications-dlq",
		"a.fifo.b":                    "a.fifo.b-dlq",
	} {
		if got := postroom.DeadLetterQueue(queue); got != want {
			t.Errorf("%s: %s, want %s", queue, got, want)
		}
		if postroom.IsFIFO(queue) != postroom.IsFIFO(want) {
			t.Errorf("%s and its dead-letter queue are not of one type", queue)
		}
	}
}
