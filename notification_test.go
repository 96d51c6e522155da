package postroom_test

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/postroom/postroom"
)

func TestNotification(t *testing.T) {
	t.Parallel()
	m := messageBy(person(1))
	m.Text = "1 < 2 & \"so\""
	got := postroom.NewNotification("postroom", m, id(2)).Encode()
	sum := sha256.Sum256([]byte(id(0xa) + "|2026-05-21T10:30:00.000000Z|" + id(0xb) + "|" + id(2)))
	want := `{"specversion":"1.0","id":"` + hex.EncodeToString(sum[:]) + `","source":"/postroom/postroom",` +
		`"type":"postroom.message.posted","subject":"` + id(2) + `","time":"2026-05-21T10:30:00.000000Z",` +
		`"datacontenttype":"application/json","data":{"message_group_uuid":"` + id(0xa) + `","message_uuid":"` + id(0xb) +
		`","created_at":"2026-05-21T10:30:00.000000Z","user_uuid":"` + id(1) +
		`","display_name":"Person 1","handle":"p1","preview":"1 < 2 & \"so\""}}`
	if got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

func TestQ2NotificationsRoundTripAndSuitSQS(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := messages().Draw(t, "message")
		n := postroom.NewNotification("t", m, uuids().Draw(t, "recipient"))
		body := n.Encode()
		for _, r := range body {
			if r != '\t' && r != '\n' && r != '\r' && (r < ' ' || r == 0xfffe || r == 0xffff) {
				t.Fatalf("%U in %q", r, body)
			}
		}
		if !utf8.ValidString(body) || len(body) > 4<<10 {
			t.Fatalf("%d bytes, valid UTF-8 %v", len(body), utf8.ValidString(body))
		}
		got, err := postroom.DecodeNotification(body)
		if err != nil || got != n {
			t.Fatalf("%v\n got %+v\nwant %+v", err, got, n)
		}
	})
}

func TestQ2NotificationsAreClean(t *testing.T) {
	t.Parallel()
	m := messageBy(person(1))
	m.Text = "a\x00b\x07c\x1bd\x7fe\ufffef\uffffg\th\ni\rj\ufffdk😀l"
	m.DisplayName, m.Handle = "A\x00nn", "a\uffffnn"
	data := postroom.NewNotification("postroom", m, id(2)).Data
	want := "a\ufffdb\ufffdc\ufffdd\ufffde\ufffdf\ufffdg\th\ni\rj\ufffdk😀l"
	if data.Preview != want || data.DisplayName != "A\ufffdnn" || data.Handle != "a\ufffdnn" {
		t.Errorf("data %+q", data)
	}
}

func TestNotificationIDs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m, to := messages().Draw(t, "message"), uuids().Draw(t, "recipient")
		same := m
		same.Text, same.DisplayName, same.Members = "other", "other", nil
		if postroom.NotificationID(m, to) != postroom.NotificationID(same, to) {
			t.Fatal("the id depends on more than the identity")
		}
		later := m
		later.MessageUUID = uuids().Filter(func(s string) bool { return s != m.MessageUUID }).Draw(t, "other message")
		if postroom.NotificationID(m, to) == postroom.NotificationID(later, to) {
			t.Fatal("two messages have one id")
		}
	})
}

func TestQ9BodiesThatAreNoNotification(t *testing.T) {
	t.Parallel()
	good := postroom.NewNotification("postroom", messageBy(person(1)), id(2))
	for name, body := range map[string]string{
		"empty": "", "text": "hello", "cut off": good.Encode()[:50], "list": "[]", "null": "null", "object": "{}",
		"another event":   strings.Replace(good.Encode(), postroom.NotificationType, "com.example.event", 1),
		"another version": strings.Replace(good.Encode(), `"1.0"`, `"0.3"`, 1),
		"no id":           strings.Replace(good.Encode(), good.ID, "", 1),
		"no recipient":    strings.Replace(good.Encode(), `"subject":"`+id(2)+`"`, `"subject":""`, 1),
		"wrong type":      strings.Replace(good.Encode(), `"subject":"`+id(2)+`"`, `"subject":2`, 1),
	} {
		if n, err := postroom.DecodeNotification(body); err == nil {
			t.Errorf("%s: taken for %+v", name, n)
		}
	}
}

// A damaged notification is refused, and the error names what is wrong.
func TestF5F6NotificationsLoseNothing(t *testing.T) {
	t.Parallel()
	good := postroom.NewNotification("postroom", messageBy(person(1)), id(2))
	body := good.Encode()
	edit := func(old, text string) string {
		if !strings.Contains(body, old) {
			t.Fatalf("%s has no %s", body, old)
		}
		return strings.Replace(body, old, text, 1)
	}
	for want, body := range map[string]string{
		`key "subject": the key comes twice`:      edit(`"subject":`, `"subject":"x","subject":`),
		`key "data/preview": the key comes twice`: edit(`"preview":`, `"preview":"x","preview":`),
		"half of a surrogate pair":                edit(`hello`, `\ud83d`),
		"not valid UTF-8":                         edit(`hello`, "\xff"),
		"more than one JSON value":                body + body,
		"specversion is \"0.3\"":                  edit(`"1.0"`, `"0.3"`),
		"specversion is \"\"":                     edit(`"specversion"`, `"SpecVersion"`),
		"type is \"":                              edit(postroom.NotificationType, "com.example.event"),
		"id is missing":                           edit(`"id"`, `"ID"`),
		"subject is missing":                      edit(`"subject"`, `"Subject"`),
		"time: time":                              edit(`"time":"2026-05-21T`, `"time":"2026-05-21t`),
		"data: created_at: time":                  edit(`"created_at":"2026-05-21T10:30:00.000000Z"`, `"created_at":"2026-05-21T0:30:00,0Z"`),
	} {
		if n, err := postroom.DecodeNotification(body); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v, %v; want %q", n, err, want)
		}
	}
	extended := edit(`"data":{`, `"partitionkey":"x","ID":"x","data":{"attachment":{"x":[1]},`)
	if n, err := postroom.DecodeNotification(extended); err != nil || n != good {
		t.Errorf("with extensions: %+v, %v", n, err)
	}
}

func TestRecipients(t *testing.T) {
	t.Parallel()
	if got := postroom.Recipients(people(3), id(2)); !slices.Equal(got, []string{id(1), id(3)}) {
		t.Errorf("recipients %v", got)
	}
}

// TestReplayedNotification has the id that it had, the replay's name beside it, and a
// deduplication id for each replay that SQS takes.
func TestReplayedNotification(t *testing.T) {
	t.Parallel()
	n := postroom.NewNotification("t", postroom.Message{GroupUUID: "g", MessageUUID: "m"}, "r")
	if n.DeduplicationID() != n.ID || strings.Contains(n.Encode(), "replay") {
		t.Errorf("%s has the deduplication id %s", n.Encode(), n.DeduplicationID())
	}
	again := n
	again.Replay = strings.Repeat("x", 48)
	if id := again.DeduplicationID(); id != "replay-"+again.Replay+"-"+n.ID || len(id) > 128 {
		t.Errorf("the deduplication id is %s", id)
	}
	got, err := postroom.DecodeNotification(again.Encode())
	if err != nil || got != again {
		t.Errorf("%+v, %v", got, err)
	}
}
