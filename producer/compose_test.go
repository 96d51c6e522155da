package producer_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/producer"
)

func TestComposeForOne(t *testing.T) {
	t.Parallel()
	p := producer.New(nil, options())
	m, err := p.Compose(producer.Draft{From: member(2), To: []postroom.Member{member(1)}, Text: "hello"})
	if err != nil {
		t.Fatal(err)
	}
	if m.GroupUUID != postroom.PairUUID(id(1), id(2)) || m.UserUUID != id(2) || m.Text != "hello" || !m.CreatedAt.Equal(now) {
		t.Errorf("message %+v", m)
	}
	if !slices.Equal(m.Members, []postroom.Member{member(1), member(2)}) {
		t.Errorf("members %v, want both in the order of their uuids", m.Members)
	}
	if uuid.MustParse(m.MessageUUID).Version() != 7 {
		t.Errorf("message uuid %s", m.MessageUUID)
	}
	again, err := p.Compose(producer.Draft{From: member(1), To: []postroom.Member{member(2)}, Text: "hello"})
	if err != nil || again.GroupUUID != m.GroupUUID || again.MessageUUID == m.MessageUUID {
		t.Errorf("the answer %+v, %v", again, err)
	}
}

func TestComposeForSeveral(t *testing.T) {
	t.Parallel()
	p := producer.New(nil, options())
	draft := producer.Draft{From: member(2), To: []postroom.Member{member(3), member(1)}, Text: "hello"}
	m, err := p.Compose(draft)
	if err != nil {
		t.Fatal(err)
	}
	other, err := p.Compose(draft)
	if err != nil || m.GroupUUID == other.GroupUUID {
		t.Errorf("a new conversation each time: %s, %s, %v", m.GroupUUID, other.GroupUUID, err)
	}
	if len(m.Members) != 3 {
		t.Errorf("members %v", m.Members)
	}
}

func TestComposeTakesWhatIsGiven(t *testing.T) {
	t.Parallel()
	p := producer.New(nil, options())
	at := time.Date(2026, 5, 1, 12, 0, 0, 0, time.FixedZone("", 2*60*60))
	m, err := p.Compose(producer.Draft{
		From: postroom.Member{UserUUID: id(1), Handle: "ann"}, GroupUUID: id(7), MessageUUID: id(8), CreatedAt: at, Text: "hello",
	})
	if err != nil {
		t.Fatal(err)
	}
	if m.GroupUUID != id(7) || m.MessageUUID != id(8) || postroom.FormatTime(m.CreatedAt) != "2026-05-01T10:00:00.000000Z" || m.Members != nil {
		t.Errorf("message %+v", m)
	}
	if m.DisplayName != "ann" || m.Handle != "ann" {
		t.Errorf("name %q, handle %q", m.DisplayName, m.Handle)
	}
	m, err = p.Compose(producer.Draft{From: postroom.Member{UserUUID: id(1)}, GroupUUID: id(7), Text: "hello"})
	if err != nil || m.DisplayName != "00000001" || m.Handle != "00000001" {
		t.Errorf("without names: %+v, %v", m, err)
	}
}

func TestF21ComposeRoundsTheTime(t *testing.T) {
	t.Parallel()
	clock := time.Date(2026, 5, 1, 12, 0, 0, 123456789, time.FixedZone("", 2*60*60))
	want := time.Date(2026, 5, 1, 10, 0, 0, 123456000, time.UTC)
	p := producer.New(nil, producer.Options{Now: func() time.Time { return clock }})
	for _, at := range []time.Time{clock, {}} {
		m, err := p.Compose(producer.Draft{From: member(1), GroupUUID: id(7), Text: "hello", CreatedAt: at})
		if err != nil || m.CreatedAt != want {
			t.Errorf("time %s, %v; want %s", m.CreatedAt, err, want)
		}
	}
}

func TestP20ComposeRefuses(t *testing.T) {
	t.Parallel()
	p := producer.New(nil, options())
	for want, d := range map[string]producer.Draft{
		"needs a recipient":  {From: member(1), Text: "x"},
		"oneself":            {From: member(1), To: []postroom.Member{member(1)}, Text: "x"},
		"appears twice":      {From: member(1), To: []postroom.Member{member(2), member(2)}, Text: "x"},
		"user_uuid":          {From: member(1), To: []postroom.Member{{UserUUID: "ben"}}, Text: "x"},
		"message_group_uuid": {From: member(1), GroupUUID: strings.ToUpper("abcdef00-0000-4000-8000-000000000000"), Text: "x"},
		"at most 64":         {From: postroom.Member{UserUUID: id(1), DisplayName: strings.Repeat("x", 65)}, GroupUUID: id(7), Text: "x"},
	} {
		if m, err := p.Compose(d); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v, error %v, want %q", m, err, want)
		}
	}
}
