package inbox_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"go.uber.org/goleak"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/local"
	"github.com/postroom/postroom/inbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// openTable makes a table in memory.
func openTable(t testing.TB) backend.Table {
	t.Helper()
	b, err := local.Open(local.Memory, local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	const name = "postroom"
	if err := b.CreateTable(t.Context(), backend.TableSpec{
		Name: name, PartitionKey: backend.AttrPK, SortKey: backend.AttrSK,
	}); err != nil {
		t.Fatal(err)
	}
	return b.Table(name)
}

func put(t testing.TB, table backend.Table, items ...backend.Item) {
	t.Helper()
	for _, item := range items {
		if _, err := table.Put(t.Context(), item, backend.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
}

// move puts a conversation's row at another minute and deletes the one before,
// as the projector does; with keep, the old one stays as in the middle of a move.
func move(t testing.TB, table backend.Table, group, from, to int, keep bool) {
	t.Helper()
	put(t, table, row(group, to))
	if keep {
		return
	}
	if _, _, err := table.BatchWrite(t.Context(), []backend.Write{{Delete: backend.KeyOf(row(group, from))}}); err != nil {
		t.Fatal(err)
	}
}

// id is a uuid with a number in it.
func id(n int) string { return fmt.Sprintf("%08x-0000-4000-8000-000000000000", n) }

var (
	ann = id(1)
	ben = id(2)
)

func minute(n int) time.Time {
	return time.Date(2026, 5, 21, 10, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Minute)
}

// message is sent by Ann at a minute.
func message(group, at int) postroom.Message {
	return postroom.Message{
		GroupUUID: id(group), MessageUUID: id(at + 1000), UserUUID: ann, DisplayName: "Ann", Handle: "ann",
		Text: fmt.Sprintf("message of minute %d", at), CreatedAt: minute(at),
	}
}

// row is Ann's of a conversation with Ben, last replied to at a minute.
func row(group, at int) backend.Item {
	return postroom.Groups(message(group, at), []postroom.Member{
		{UserUUID: ann, DisplayName: "Ann", Handle: "ann"}, {UserUUID: ben, DisplayName: "Ben", Handle: "ben"},
	})[0].Item()
}

// groups is the numbers of the conversations, in their order.
func groups(rows []postroom.Group) string {
	var numbers []string
	for _, g := range rows {
		numbers = append(numbers, strings.TrimLeft(g.GroupUUID[:8], "0"))
	}
	return strings.Join(numbers, " ")
}

func minutes(messages []postroom.Message) string {
	var numbers []string
	for _, m := range messages {
		numbers = append(numbers, fmt.Sprint(int(m.CreatedAt.Sub(minute(0)).Minutes())))
	}
	return strings.Join(numbers, " ")
}

func TestConversations(t *testing.T) {
	t.Parallel()
	table := openTable(t)
	in := inbox.New(table)
	page, err := in.Conversations(t.Context(), ann, inbox.PageOptions{Consistent: true})
	if err != nil || len(page.Items) != 0 || page.Cursor != "" {
		t.Errorf("of nobody yet: %+v, %v", page, err)
	}
	for group := 1; group <= 7; group++ {
		put(t, table, row(group, group), message(group, group).Item())
	}
	page, err = in.Conversations(t.Context(), ann, inbox.PageOptions{Consistent: true})
	if err != nil || groups(page.Items) != "7 6 5 4 3 2 1" || page.Cursor != "" || page.Units.Read == 0 {
		t.Errorf("%s, %+v, %v", groups(page.Items), page, err)
	}
	if g := page.Items[0]; g.OtherUserDisplayName != "Ben" || g.LastMessage != "message of minute 7" {
		t.Errorf("row %+v", g)
	}
	var pages []string
	opts := inbox.PageOptions{Limit: 3}
	for {
		page, err := in.Conversations(t.Context(), ann, opts)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, groups(page.Items))
		if opts.Cursor = page.Cursor; opts.Cursor == "" {
			break
		}
	}
	if got := strings.Join(pages, "|"); got != "7 6 5|4 3 2|1" {
		t.Errorf("pages %s", got)
	}
}

// Both rows of a conversation on the move are on one page: the newest is shown,
// and the page is short without being the last.
func TestP18OneRowPerConversationWithinAPage(t *testing.T) {
	t.Parallel()
	table := openTable(t)
	in := inbox.New(table)
	for group := 1; group <= 4; group++ {
		put(t, table, row(group, group))
	}
	move(t, table, 3, 3, 9, true) // rows: 3@9 4@4 3@3 2@2 1@1
	page, err := in.Conversations(t.Context(), ann, inbox.PageOptions{Limit: 3})
	if err != nil || groups(page.Items) != "3 4" || page.Cursor == "" {
		t.Fatalf("%s, cursor %q, %v", groups(page.Items), page.Cursor, err)
	}
	if page.Items[0].LastMessage != "message of minute 9" {
		t.Errorf("the old row is shown: %+v", page.Items[0])
	}
	// The cursor is the row that was dropped, not the last one shown.
	page, err = in.Conversations(t.Context(), ann, inbox.PageOptions{Limit: 3, Cursor: page.Cursor})
	if err != nil || groups(page.Items) != "2 1" {
		t.Errorf("second page %s, %v", groups(page.Items), err)
	}
}

// The boundary of a page lies between both rows: a page does not know of the
// one before, the iterator does.
func TestP18PageBoundaryBetweenBothRows(t *testing.T) {
	t.Parallel()
	table := openTable(t)
	in := inbox.New(table)
	for group := 1; group <= 4; group++ {
		put(t, table, row(group, group))
	}
	move(t, table, 2, 2, 9, true) // rows: 2@9 4@4 | 3@3 2@2 | 1@1
	page, err := in.Conversations(t.Context(), ann, inbox.PageOptions{Limit: 2})
	if err != nil || groups(page.Items) != "2 4" {
		t.Fatalf("first page %s, %v", groups(page.Items), err)
	}
	page, err = in.Conversations(t.Context(), ann, inbox.PageOptions{Limit: 2, Cursor: page.Cursor})
	if err != nil || groups(page.Items) != "3 2" {
		t.Errorf("second page %s, %v", groups(page.Items), err)
	}
	if got := groups(collect(t, in.AllConversations(t.Context(), ann, inbox.PageOptions{Limit: 2}))); got != "2 4 3 1" {
		t.Errorf("the iterator yields %s", got)
	}
}

// While page two is read a conversation of it moves to page one: only that one
// is missed, and one that had been on page one is dropped where it comes again.
func TestP18MovesBetweenPages(t *testing.T) {
	t.Parallel()
	table := openTable(t)
	in := inbox.New(table)
	for group := 1; group <= 6; group++ {
		put(t, table, row(group, group))
	}
	var got []postroom.Group
	for g, err := range in.AllConversations(t.Context(), ann, inbox.PageOptions{Limit: 2}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, g)
		switch len(got) {
		case 2: // the row under the cursor goes away, and so does one that is still to come
			move(t, table, 5, 5, 10, false)
			move(t, table, 3, 3, 11, false)
		case 4: // never happens to a row that only moves up, but must not matter
			put(t, table, row(6, 1))
		}
	}
	if groups(got) != "6 5 4 2 1" {
		t.Errorf("the iterator yields %s", groups(got))
	}
}

func TestMessages(t *testing.T) {
	t.Parallel()
	table := openTable(t)
	in := inbox.New(table)
	head := backend.Item{
		backend.AttrPK: &types.AttributeValueMemberS{Value: id(7)},
		backend.AttrSK: &types.AttributeValueMemberS{Value: postroom.HeadKey},
	}
	put(t, table, head, row(7, 3))
	for at := range 5 {
		put(t, table, message(7, at).Item(), message(8, at).Item())
	}
	page, err := in.Messages(t.Context(), id(7), "", inbox.PageOptions{})
	if err != nil || minutes(page.Items) != "4 3 2 1 0" || page.Cursor != "" || len(page.Unreadable) != 0 {
		t.Errorf("%s, %+v, %v", minutes(page.Items), page.Unreadable, err)
	}
	if got := minutes(collect(t, in.AllMessages(t.Context(), id(7), "", inbox.PageOptions{Limit: 2}))); got != "4 3 2 1 0" {
		t.Errorf("the iterator yields %s", got)
	}
}

func TestMessagesSince(t *testing.T) {
	t.Parallel()
	table := openTable(t)
	in := inbox.New(table)
	const perHour = 60
	for _, at := range []int{0, 1, perHour, 24 * perHour, 40 * 24 * perHour, 400 * 24 * perHour} {
		put(t, table, message(7, at).Item())
	}
	for since, want := range map[string]int{
		"": 6, "2026": 5, "2027": 1, "2026-05": 4, "2026-05-21": 3, "2026-05-21T10": 2, "2026-05-21T10:01": 1, "2026-05-21T10:01:00": 1, "2025": 0,
	} {
		got := collect(t, in.AllMessages(t.Context(), id(7), since, inbox.PageOptions{Limit: 2}))
		if len(got) != want {
			t.Errorf("since %q: %d messages, want %d", since, len(got), want)
		}
	}
	for _, since := range []string{"26", "202", "2026-", "2026-5", "2026-13", "2026-02-30", "2026-05-21 10", "2026-05-21T10:00:00.5", "May", "MSG#", "2026-05-21T10:00:00Z"} {
		if _, err := in.Messages(t.Context(), id(7), since, inbox.PageOptions{}); !errors.Is(err, inbox.ErrRequest) {
			t.Errorf("since %q: %v", since, err)
		}
	}
}

// A damaged item is left out and named; the rest can be read.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	table := openTable(t)
	in := inbox.New(table)
	for at := range 5 {
		put(t, table, message(7, at).Item(), row(at+1, at))
	}
	damagedMessage, damagedRow := message(7, 2).Item(), row(3, 2)
	damagedMessage["message"] = &types.AttributeValueMemberN{Value: "1"}
	delete(damagedRow, "last_message")
	put(t, table, damagedMessage, damagedRow)

	page, err := in.Messages(t.Context(), id(7), "", inbox.PageOptions{Limit: 3})
	if err != nil || minutes(page.Items) != "4 3" || page.Cursor == "" || len(page.Unreadable) != 1 {
		t.Fatalf("%s, unreadable %v, %v", minutes(page.Items), page.Unreadable, err)
	}
	if u := page.Unreadable[0]; u.Key != backend.KeyOf(damagedMessage) || !strings.Contains(u.Error(), u.Key.SK) || !strings.Contains(u.Error(), "attribute message") {
		t.Errorf("unreadable: %v", u)
	}
	rows, err := in.Conversations(t.Context(), ann, inbox.PageOptions{})
	if err != nil || groups(rows.Items) != "5 4 2 1" || len(rows.Unreadable) != 1 || rows.Unreadable[0].Key != backend.KeyOf(damagedRow) {
		t.Errorf("%s, unreadable %v, %v", groups(rows.Items), rows.Unreadable, err)
	}

	good, bad := 0, 0
	for _, err := range in.AllMessages(t.Context(), id(7), "", inbox.PageOptions{Limit: 2}) {
		var unreadable *inbox.UnreadableError
		switch {
		case err == nil:
			good++
		case errors.As(err, &unreadable):
			bad++
		default:
			t.Error(err)
		}
	}
	if good != 4 || bad != 1 {
		t.Errorf("%d messages and %d unreadable", good, bad)
	}
	good, bad = 0, 0
	for _, err := range in.All(t.Context()) {
		if err == nil {
			good++
		} else {
			bad++
		}
	}
	if good != 4 || bad != 1 {
		t.Errorf("of all: %d rows and %d unreadable", good, bad)
	}
}

func TestAll(t *testing.T) {
	t.Parallel()
	table := openTable(t)
	var want []string
	for group := range 100 {
		m := message(group, group)
		put(t, table, m.Item())
		for _, g := range postroom.Groups(m, []postroom.Member{
			{UserUUID: ann, DisplayName: "Ann", Handle: "ann"}, {UserUUID: id(group + 10), DisplayName: "x", Handle: "x"},
		}) {
			put(t, table, g.Item())
			want = append(want, g.UserUUID+g.GroupUUID)
		}
	}
	var got []string
	for _, g := range collect(t, inbox.New(table).All(t.Context())) {
		got = append(got, g.UserUUID+g.GroupUUID)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d rows, want %d", len(got), len(want))
	}
	for range inbox.New(table).All(t.Context()) {
		break
	}
}

func TestRequestsThatAreWrong(t *testing.T) {
	t.Parallel()
	in := inbox.New(openTable(t))
	for name, call := range map[string]func() error{
		"limit below":      func() error { _, err := in.Conversations(t.Context(), ann, inbox.PageOptions{Limit: -1}); return err },
		"limit above":      func() error { _, err := in.Conversations(t.Context(), ann, inbox.PageOptions{Limit: 1001}); return err },
		"user":             func() error { _, err := in.Conversations(t.Context(), "ann", inbox.PageOptions{}); return err },
		"user with prefix": func() error { _, err := in.Conversations(t.Context(), "grp#"+ann, inbox.PageOptions{}); return err },
		"conversation":     func() error { _, err := in.Messages(t.Context(), "grp#"+ann, "", inbox.PageOptions{}); return err },
		"upper case": func() error {
			_, err := in.Messages(t.Context(), strings.ToUpper(id(0xabc)), "", inbox.PageOptions{})
			return err
		},
		"iterator's limit":  func() error { return firstError(in.AllMessages(t.Context(), id(7), "", inbox.PageOptions{Limit: -1})) },
		"iterator's prefix": func() error { return firstError(in.AllMessages(t.Context(), id(7), "x", inbox.PageOptions{})) },
	} {
		if err := call(); !errors.Is(err, inbox.ErrRequest) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
