package producer_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"go.uber.org/goleak"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/backendtest"
	"github.com/postroom/postroom/backend/local"
	"github.com/postroom/postroom/producer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const tableName = "postroom"

// now is what every clock here shows.
var now = time.Date(2026, 5, 21, 10, 30, 0, 0, time.UTC)

func options() producer.Options {
	return producer.Options{Now: func() time.Time { return now }}
}

// openLocal opens a backend with a table.
func openLocal(t testing.TB) backend.Backend {
	t.Helper()
	b, err := local.Open(local.Memory, local.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := b.CreateTable(t.Context(), backend.TableSpec{
		Name: tableName, PartitionKey: backend.AttrPK, SortKey: backend.AttrSK, StreamView: "NEW_IMAGE",
	}); err != nil {
		t.Fatal(err)
	}
	return b
}

// id is a uuid with a number in it.
func id(n int) string { return fmt.Sprintf("%08x-0000-4000-8000-000000000000", n) }

func member(n int) postroom.Member {
	return postroom.Member{UserUUID: id(n), DisplayName: fmt.Sprintf("Person %d", n), Handle: fmt.Sprintf("p%d", n)}
}

// message is the n-th of a conversation; the first one opens it.
func message(group, n int) postroom.Message {
	m := postroom.Message{
		GroupUUID: id(group), MessageUUID: id(n), UserUUID: id(1), DisplayName: "Person 1", Handle: "p1",
		Text: fmt.Sprintf("message %d", n), CreatedAt: now.Add(time.Duration(n-1000) * time.Second),
	}
	if n == 1 {
		m.Members = []postroom.Member{member(1), member(2)}
	}
	return m
}

// stored reads a conversation, oldest first.
func stored(t testing.TB, table backend.Table, group string) []postroom.Message {
	t.Helper()
	page, err := table.Query(t.Context(), backend.Query{PK: group, Consistent: true})
	if err != nil {
		t.Fatal(err)
	}
	var messages []postroom.Message
	for _, item := range page.Items {
		m, err := postroom.MessageFromItem(item)
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, m)
	}
	return messages
}

func wantRefused(t *testing.T, err error, want string) {
	t.Helper()
	var refused *producer.RefusedError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want a refusal with %q", err, want)
	}
}

func TestPostIsIdempotent(t *testing.T) {
	t.Parallel()
	table := openLocal(t).Table(tableName)
	p := producer.New(table, options())
	m := message(7, 1)
	for i, alreadyThere := range []bool{false, true, true} {
		r, err := p.Post(t.Context(), m)
		if err != nil || r.AlreadyThere != alreadyThere || r.Units.Write == 0 {
			t.Errorf("time %d: %+v, %v; want already there %v", i, r, err, alreadyThere)
		}
	}
	m.Members = []postroom.Member{member(2), member(1)}
	if r, err := p.Post(t.Context(), m); err != nil || !r.AlreadyThere {
		t.Errorf("members in another order: %+v, %v", r, err)
	}
	if got := stored(t, table, m.GroupUUID); len(got) != 1 {
		t.Errorf("stored is %+v", got)
	}
}

// What a clock shows can be posted as it is: it is rounded down in the same way every
// time, and a retry is the same message.
func TestF21TimesOfAClock(t *testing.T) {
	t.Parallel()
	table := openLocal(t).Table(tableName)
	p := producer.New(table, producer.Options{})
	clock := time.Now() // with a reading of the monotonic clock
	clock = clock.Add(999*time.Nanosecond - time.Duration(clock.Nanosecond()%1000))
	want := clock.UTC().Truncate(time.Microsecond)
	m := message(7, 1)
	for i, at := range []time.Time{
		clock, clock, clock.In(time.FixedZone("", -(9*60+30)*60)), clock.Round(0).UTC(), want, clock.Add(-998),
	} {
		m.CreatedAt = at
		r, err := p.Post(t.Context(), m)
		if err != nil || r.AlreadyThere != (i > 0) || r.CreatedAt != want {
			t.Errorf("posted with %s: %+v, %v; want %s", at, r, err, want)
		}
	}
	got := stored(t, table, m.GroupUUID)
	if len(got) != 1 || got[0].CreatedAt != want {
		t.Errorf("stored is %+v, want one message of %s", got, want)
	}
	m.Text = "another text"
	_, err := p.Post(t.Context(), m)
	wantRefused(t, err, producer.ErrOtherContent.Error())
	m.CreatedAt = clock.Add(1) // the next microsecond
	if r, err := p.Post(t.Context(), m); err != nil || r.AlreadyThere {
		t.Errorf("a microsecond later: %+v, %v", r, err)
	}
}

// The answer to the first attempt is lost: the second one finds its own message.
func TestF21TimesOfAClockWhereAnAnswerIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, table := faulty(t, options(), backendtest.Fault{LoseAnswer: true})
		m := message(7, 1)
		m.CreatedAt = now.Add(-time.Second + 999).In(time.FixedZone("", 2*60*60))
		r, err := p.Post(t.Context(), m)
		if err != nil || r.AlreadyThere || r.CreatedAt != now.Add(-time.Second) {
			t.Errorf("%+v, %v", r, err)
		}
		if got := stored(t, table, m.GroupUUID); len(got) != 1 {
			t.Errorf("stored is %+v", got)
		}
	})
}

func TestOtherContentIsRefused(t *testing.T) {
	t.Parallel()
	table := openLocal(t).Table(tableName)
	p := producer.New(table, options())
	first := message(7, 1)
	if _, err := p.Post(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(*postroom.Message){
		"text":            func(m *postroom.Message) { m.Text += "!" },
		"sender's name":   func(m *postroom.Message) { m.DisplayName = "Somebody" },
		"sender's handle": func(m *postroom.Message) { m.Handle = "sb" },
		"sender":          func(m *postroom.Message) { m.UserUUID = id(2) },
		"no members":      func(m *postroom.Message) { m.Members = nil },
		"more members":    func(m *postroom.Message) { m.Members = append(m.Members, member(3)) },
		"member's name": func(m *postroom.Message) {
			m.Members = []postroom.Member{member(1), {UserUUID: id(2), DisplayName: "x", Handle: "x"}}
		},
	} {
		m := message(7, 1)
		edit(&m)
		_, err := p.Post(t.Context(), m)
		if !errors.Is(err, producer.ErrOtherContent) {
			t.Errorf("%s: error %v", name, err)
		}
		wantRefused(t, err, first.GroupUUID+" "+first.Key())
	}
	if got := stored(t, table, first.GroupUUID); len(got) != 1 || got[0].Text != first.Text {
		t.Errorf("stored is %+v", got)
	}
}

func TestWhatIsThereCannotBeRead(t *testing.T) {
	t.Parallel()
	table := openLocal(t).Table(tableName)
	m := message(7, 1)
	damaged := m.Item()
	damaged["message"] = &types.AttributeValueMemberN{Value: "1"}
	if _, err := table.Put(t.Context(), damaged, backend.Condition{}); err != nil {
		t.Fatal(err)
	}
	_, err := producer.New(table, options()).Post(t.Context(), m)
	wantRefused(t, err, "which cannot be read")
	if !errors.Is(err, producer.ErrOtherContent) {
		t.Errorf("error %v", err)
	}
}

func TestP5ClockSkew(t *testing.T) {
	t.Parallel()
	table := openLocal(t).Table(tableName)
	p := producer.New(table, options())
	m := message(7, 1)
	m.CreatedAt = now.Add(postroom.MaxClockSkew)
	if _, err := p.Post(t.Context(), m); err != nil {
		t.Errorf("60 s ahead: %v", err)
	}
	m.CreatedAt = now.Add(postroom.MaxClockSkew + time.Microsecond)
	_, err := p.Post(t.Context(), m)
	wantRefused(t, err, "ahead of this machine's clock")
	m.CreatedAt = now.AddDate(-2000, 0, 0)
	if _, err := p.Post(t.Context(), m); err != nil {
		t.Errorf("2,000 years ago: %v", err)
	}
	if got := stored(t, table, m.GroupUUID); len(got) != 2 {
		t.Errorf("stored is %+v", got)
	}
}

func TestP15Size(t *testing.T) {
	t.Parallel()
	p := producer.New(openLocal(t).Table(tableName), options())
	m := message(7, 2)
	room := backend.MaxItemBytes - backend.ItemBytes(m.Item())
	m.Text += strings.Repeat("x", room)
	if _, err := p.Post(t.Context(), m); err != nil {
		t.Errorf("400 KB: %v", err)
	}
	m.Text += "x"
	_, err := p.Post(t.Context(), m)
	wantRefused(t, err, "takes 409601 bytes")

	opening := message(8, 1)
	for n := 3; n <= 6000; n++ {
		opening.Members = append(opening.Members, member(n))
	}
	_, err = p.Post(t.Context(), opening)
	wantRefused(t, err, "at most 409600 (400 KB) are allowed")
}

func TestP20InvalidMessagesAreRefused(t *testing.T) {
	t.Parallel()
	table := openLocal(t).Table(tableName)
	p := producer.New(table, options())
	for want, edit := range map[string]func(*postroom.Message){
		"the sender " + id(9) + " is not among them": func(m *postroom.Message) { m.UserUUID = id(9) },
		"appears twice":           func(m *postroom.Message) { m.Members = append(m.Members, member(2)) },
		"needs at least 2 people": func(m *postroom.Message) { m.Members = m.Members[:1] },
		"not a canonical":         func(m *postroom.Message) { m.GroupUUID = "grp#" + id(2) },
		"created_at is missing":   func(m *postroom.Message) { m.CreatedAt = time.Time{}.Add(999) },
	} {
		m := message(7, 1)
		edit(&m)
		_, err := p.Post(t.Context(), m)
		wantRefused(t, err, want)
	}
	page, err := table.Scan(t.Context(), backend.Scan{Consistent: true})
	if err != nil || len(page.Items) != 0 {
		t.Errorf("something was stored: %v, %v", page.Items, err)
	}
}

// faulty makes a producer whose first puts go wrong, one fault after the other.
func faulty(t *testing.T, opts producer.Options, faults ...backendtest.Fault) (*producer.Producer, backend.Table) {
	t.Helper()
	b := openLocal(t)
	f := backendtest.Faulty(b, func(context.Context, backendtest.Call) (fault backendtest.Fault) {
		if len(faults) > 0 {
			fault, faults = faults[0], faults[1:]
		}
		return fault
	})
	return producer.New(f.Table(tableName), opts), b.Table(tableName)
}

func TestRetries(t *testing.T) {
	t.Parallel()
	kind := func(k backend.Kind) backendtest.Fault { return backendtest.Fault{Kind: k} }
	lost := backendtest.Fault{LoseAnswer: true}
	for name, c := range map[string]struct {
		faults []backendtest.Fault
		want   backend.Kind // of the error; unknown: none
	}{
		"conflict, throttled, unavailable": {faults: []backendtest.Fault{kind(backend.KindConflict), kind(backend.KindThrottled), kind(backend.KindUnavailable)}},
		"answer lost":                      {faults: []backendtest.Fault{lost}},
		"answers lost":                     {faults: []backendtest.Fault{lost, lost, kind(backend.KindThrottled)}},
		"denied":                           {[]backendtest.Fault{kind(backend.KindDenied)}, backend.KindDenied},
		"no such table":                    {[]backendtest.Fault{kind(backend.KindNotFound)}, backend.KindNotFound},
		"too often":                        {slices.Repeat([]backendtest.Fault{kind(backend.KindThrottled)}, 10), backend.KindThrottled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p, table := faulty(t, options(), c.faults...)
				m := message(7, 1)
				r, err := p.Post(t.Context(), m)
				if backend.KindOf(err) != c.want || (err == nil) != (c.want == backend.KindUnknown) {
					t.Errorf("error %v, want of kind %q", err, c.want)
				}
				if r.AlreadyThere {
					t.Error("already there, though this call stored it")
				}
				if n := len(stored(t, table, m.GroupUUID)); (n == 1) != (err == nil) {
					t.Errorf("%d messages stored, error %v", n, err)
				}
			})
		})
	}
}

// TestAlreadyThereIfNoAttemptMayHaveStoredIt: an attempt that failed counts only if it
// may have been carried out.
func TestAlreadyThereIfNoAttemptMayHaveStoredIt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind  backend.Kind // of the first attempt's failure
		there bool
	}{
		{backend.KindThrottled, true},
		{backend.KindConflict, true},
		{backend.KindUnavailable, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			p, table := faulty(t, options(), backendtest.Fault{Kind: c.kind})
			m := message(7, 1)
			if _, err := producer.New(table, options()).Post(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			if r, err := p.Post(t.Context(), m); err != nil || r.AlreadyThere != c.there {
				t.Errorf("%s: already there %v, %v; want %v", c.kind, r.AlreadyThere, err, c.there)
			}
		})
	}
}

func TestContextEndsRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		always := backendtest.Faulty(nothing{}, func(context.Context, backendtest.Call) backendtest.Fault {
			return backendtest.Fault{Kind: backend.KindThrottled}
		})
		opts := options()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		start := time.Now()
		_, err := producer.New(always.Table(tableName), opts).Post(ctx, message(7, 1))
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("took %s", took)
		}

		start = time.Now()
		_, err = producer.New(always.Table(tableName), opts).Post(t.Context(), message(7, 1))
		if backend.KindOf(err) != backend.KindThrottled || !strings.Contains(err.Error(), "after 10 attempts") {
			t.Errorf("error %v", err)
		}
		if took := time.Since(start); took > 8*time.Second {
			t.Errorf("ten attempts took %s", took)
		}
	})
}

// nothing is a backend whose table is never reached.
type nothing struct{ backend.Backend }

func (nothing) Table(string) backend.Table { return nil }

// TestF14AClaimIsRefused: a message that opens the conversation of two other people is
// not stored, whatever path it takes; the two themselves are.
func TestF14AClaimIsRefused(t *testing.T) {
	t.Parallel()
	b := openLocal(t)
	table := b.Table(tableName)
	p := producer.New(table, options())
	m := message(7, 1)
	m.GroupUUID = postroom.PairUUID(id(1), id(2))
	claim := m
	claim.UserUUID, claim.Members = id(3), []postroom.Member{member(1), member(2), member(3)}
	_, err := p.Post(t.Context(), claim)
	if _, ok := errors.AsType[*producer.RefusedError](err); !ok {
		t.Errorf("Post: %v", err)
	}
	_, err = p.Compose(producer.Draft{From: member(3), To: []postroom.Member{member(1)}, GroupUUID: m.GroupUUID, Text: "x"})
	if err == nil {
		t.Error("Compose makes a claim")
	}
	if _, err := p.Post(t.Context(), m); err != nil {
		t.Error(err)
	}
	if got := stored(t, table, m.GroupUUID); len(got) != 1 || got[0].UserUUID != id(1) {
		t.Errorf("stored are %+v", got)
	}
}
