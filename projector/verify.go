package projector

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/trouble"
)

// Difference is one place where the projection is not what the log says.
type Difference struct {
	Kind      DifferenceKind `json:"kind"`
	GroupUUID string         `json:"message_group_uuid"`
	UserUUID  string         `json:"user_uuid,omitempty"` // whose row it is about
	Detail    string         `json:"detail"`
}

// DifferenceKind says what is wrong.
type DifferenceKind string

// The kinds of differences.
const (
	HeadMissing DifferenceKind = "head_missing" // messages, and nothing projected
	HeadWrong   DifferenceKind = "head_wrong"   // the head is not at the newest message
	RowMissing  DifferenceKind = "row_missing"  // a member has no row where the head is
	RowWrong    DifferenceKind = "row_wrong"    // a row does not show the newest message
	RowStray    DifferenceKind = "row_stray"    // a row where none should be
	UUIDTwice   DifferenceKind = "uuid_twice"   // one message uuid under two keys
	IndexWrong  DifferenceKind = "index_wrong"  // the index does not list the rows
	Unreadable  DifferenceKind = "unreadable"   // an item that is neither
)

// VerifyOptions tune a verification. The zero value of each field means its
// default.
type VerifyOptions struct {
	Index bool // the table has the index, which is compared too
	// SecondLook is the pause before whatever differs is looked at again. Beside
	// a live projector only what is still there then counts. Default 2 s.
	SecondLook time.Duration
	// Found is told of every difference, one call after the other. Default: none.
	Found func(Difference)
	// Progress is told how many items were read so far, now and then, from
	// several goroutines. Default: none.
	Progress func(items int64)
}

// Report counts what a verification read and found. Skipped are messages that
// the projection leaves out by its rules: unreadable ones, those of strangers
// and of conversations whose members nobody named. They are set aside.
type Report struct {
	Messages      int64 `json:"messages"`
	Conversations int64 `json:"conversations"`
	GroupItems    int64 `json:"group_items"`
	Skipped       int64 `json:"skipped"`
	Differences   int64 `json:"differences"`
}

// Verify compares the whole projection with the log: every conversation is
// folded anew and held against its head, its rows and, if there is one, the
// index; every row must be one of these. It reads the table about twice and
// writes nothing. Memory is bounded but for what differs.
//
// Beside a live projector only what is still there at a second look counts. Every
// move puts all rows anew, so what was wrong about the rows or the index of a
// conversation that has moved on meanwhile is no difference.
func Verify(ctx context.Context, table backend.Table, o VerifyOptions) (Report, error) {
	o.SecondLook = orDefault(o.SecondLook, 2*time.Second)
	v := &verifier{
		audit:         audit{retrying: retrying{table}, index: o.Index},
		opts:          o,
		known:         newKnown(),
		conversations: map[string]*finding{},
		rows:          map[backend.Key]bool{},
	}
	const segments = 4
	g, gctx := errgroup.WithContext(ctx)
	for i := range segments {
		g.Go(func() error { return v.scan(gctx, i, segments) })
	}
	err := g.Wait()
	if err == nil {
		err = v.lookAgain(ctx)
	}
	return v.report, err
}

// verifier goes through a table and collects what to look at twice.
type verifier struct {
	audit

	opts  VerifyOptions
	known *known // conversations that were audited

	mu            sync.Mutex
	report        Report
	conversations map[string]*finding  // that differ
	rows          map[backend.Key]bool // that are where none should be
}

func (v *verifier) scan(ctx context.Context, segment, segments int) error {
	s := backend.Scan{Segment: segment, Segments: segments, Consistent: true}
	for {
		var page backend.Page
		err := retry(ctx, func() (e error) {
			page, e = v.table.Scan(ctx, s)
			return e
		})
		if err != nil {
			return err
		}
		for _, item := range page.Items {
			if err := v.item(ctx, item); err != nil {
				return err
			}
		}
		v.progress()
		if page.Last == nil {
			return nil
		}
		s.After = *page.Last
	}
}

func (v *verifier) progress() {
	if v.opts.Progress == nil {
		return
	}
	v.mu.Lock()
	n := v.report.Messages + v.report.Conversations + v.report.GroupItems
	v.mu.Unlock()
	v.opts.Progress(n)
}

// item counts one item and audits the conversation it belongs to.
func (v *verifier) item(ctx context.Context, item backend.Item) error {
	key := backend.KeyOf(item)
	if user, ok := strings.CutPrefix(key.PK, postroom.InboxPrefix); ok {
		v.count(&v.report.GroupItems)
		_, group, err := postroom.ParseRowKey(key.SK)
		if err != nil {
			v.found(Difference{Unreadable, "", user, err.Error()})
			return nil
		}
		c, err := v.conversation(ctx, group)
		if err != nil {
			return err
		}
		if !c.owns(key) {
			v.suspectRow(key)
		}
		return nil
	}
	switch {
	case key.SK == postroom.HeadKey:
		v.count(&v.report.Conversations)
	case isMessage(key):
		v.count(&v.report.Messages)
	default:
		return nil // somebody else's item
	}
	c, err := v.conversation(ctx, key.PK)
	if err != nil || !isMessage(key) {
		return err
	}
	if m, err := postroom.MessageFromItem(item); err != nil || !c.has(m.UserUUID) {
		v.count(&v.report.Skipped)
	}
	if c.head == nil && key.SK == c.first {
		v.count(&v.report.Conversations) // there is no other item to count it by
	}
	return nil
}

func isMessage(key backend.Key) bool { return strings.HasPrefix(key.SK, postroom.MessagePrefix) }

func (v *verifier) count(n *int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	*n++
}

func (v *verifier) suspectRow(key backend.Key) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.rows[key] = true
}

// owns reports whether a row is where the head says.
func (c *conversation) owns(key backend.Key) bool {
	user := strings.TrimPrefix(key.PK, postroom.InboxPrefix)
	return c.head != nil && key.SK == c.head.row(c.group) && c.has(user)
}

// conversation audits a conversation, once as long as it is remembered.
func (v *verifier) conversation(ctx context.Context, group string) (*conversation, error) {
	if c, ok := v.known.get(group); ok {
		return c, nil
	}
	a, err := v.inspect(ctx, group)
	if err != nil {
		return nil, err
	}
	v.known.put(a.conversation)
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(a.differences) > 0 && v.conversations[group] == nil {
		a.differences = nil // not needed, only that there are any
		v.conversations[group] = a
	}
	return a.conversation, nil
}

// lookAgain reports what differs still.
func (v *verifier) lookAgain(ctx context.Context) error {
	if len(v.conversations)+len(v.rows) == 0 {
		return nil
	}
	if err := trouble.Sleep(ctx, v.opts.SecondLook, nil); err != nil {
		return err
	}
	for _, group := range slices.Sorted(maps.Keys(v.conversations)) {
		if err := v.conversationAgain(ctx, v.conversations[group]); err != nil {
			return err
		}
	}
	return v.rowsAgain(ctx)
}

// conversationAgain reports what still differs of a conversation, unless that
// may be the work of a live projector.
func (v *verifier) conversationAgain(ctx context.Context, before *finding) error {
	group := before.conversation.group
	now, err := v.inspect(ctx, group)
	if err != nil || len(now.differences) == 0 {
		return err
	}
	item, err := v.get(ctx, backend.Key{PK: group, SK: postroom.HeadKey})
	if err != nil {
		return err
	}
	at := now.head()
	if h, err := decodeHead(item); err == nil {
		at = h.last // later than now.head if it moved while the rows were read
	}
	for _, d := range now.differences {
		switch d.Kind {
		case UUIDTwice, Unreadable:
		case HeadMissing, HeadWrong:
			// It has come to what there was at the first look, or further. What
			// was posted since may wait a while yet.
			if at.Compare(before.newest) >= 0 && now.head().Compare(now.newest) < 0 {
				continue
			}
		default:
			if at != before.head() {
				continue
			}
		}
		v.found(d)
	}
	return nil
}

func compareKeys(a, b backend.Key) int {
	return cmp.Or(strings.Compare(a.PK, b.PK), strings.Compare(a.SK, b.SK))
}

// rowsAgain reports the rows that are still where none should be. One that the
// last move left may be about to be deleted, and is given another while.
func (v *verifier) rowsAgain(ctx context.Context) error {
	left, err := v.dropRowsInPlace(ctx)
	if err != nil {
		return err
	}
	if left {
		if err := trouble.Sleep(ctx, v.opts.SecondLook, nil); err != nil {
			return err
		}
		if _, err := v.dropRowsInPlace(ctx); err != nil {
			return err
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(v.rows), compareKeys) {
		_, group, _ := postroom.ParseRowKey(key.SK) // or it were not among them
		v.found(Difference{
			RowStray, group, strings.TrimPrefix(key.PK, postroom.InboxPrefix),
			"a row at " + key.SK + ", where the conversation is not",
		})
	}
	return nil
}

// dropRowsInPlace forgets the rows that are gone or where the head says, and
// reports whether the last move left any of the others.
func (v *verifier) dropRowsInPlace(ctx context.Context) (left bool, err error) {
	v.known = newKnown()
	for _, key := range slices.SortedFunc(maps.Keys(v.rows), compareKeys) {
		_, group, err := postroom.ParseRowKey(key.SK)
		if err != nil {
			return false, err
		}
		c, err := v.conversation(ctx, group)
		if err != nil {
			return false, err
		}
		item, err := v.get(ctx, key)
		if err != nil {
			return false, err
		}
		switch {
		case item == nil, c.owns(key):
			delete(v.rows, key)
		case c.head != nil && c.head.old == key.SK:
			left = true
		}
	}
	return left, nil
}

func (v *verifier) found(d Difference) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.report.Differences++
	if v.opts.Found != nil {
		v.opts.Found(d)
	}
}
