package verify

import (
	"context"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/batch"
	"github.com/postroom/postroom/projector/projection"
)

// Difference is one place where the projection is not what the log says.
type Difference struct {
	Kind      Kind   `json:"kind"`
	GroupUUID string `json:"message_group_uuid"`
	UserUUID  string `json:"user_uuid,omitempty"` // whose row it is about
	Detail    string `json:"detail"`
}

// Kind says what is wrong.
type Kind string

// The kinds of differences.
const (
	HeadMissing Kind = "head_missing" // messages, and nothing projected
	HeadWrong   Kind = "head_wrong"   // the head is not at the newest message
	RowMissing  Kind = "row_missing"  // a member has no row where the head is
	RowWrong    Kind = "row_wrong"    // a row does not show the newest message
	RowStray    Kind = "row_stray"    // a row where none should be
	UUIDTwice   Kind = "uuid_twice"   // one message uuid under two keys
	NotShown    Kind = "not_shown"    // messages that no inbox shows, all those of a conversation
	IndexWrong  Kind = "index_wrong"  // the index does not list the rows
	Unreadable  Kind = "unreadable"   // an item that is neither
)

// recheckAfter is the pause before whatever differs is checked again.
const recheckAfter = 2 * time.Second

// Options tune a verification. The zero value of each field means its
// default.
type Options struct {
	Index bool // the table has the index, which is compared too
	// Found is called with every difference, one call after the other. Default: none.
	Found func(Difference)
	// Progress is called often, one call after the other, with the number of items
	// counted so far. It must not block. Default: none.
	Progress func(items int64)
}

// Report counts what a verification read and found. Skipped are messages that no
// inbox shows: unreadable ones, those of non-members, those that name other members
// than their conversation has, and those of conversations whose members nobody named.
// The projector quarantines them. They are a difference for each conversation.
type Report struct {
	Messages      int64 `json:"messages"`
	Conversations int64 `json:"conversations"`
	GroupItems    int64 `json:"group_items"`
	Skipped       int64 `json:"skipped"`
	Differences   int64 `json:"differences"`
}

// Run compares the whole projection with the log. See the package comment.
func Run(ctx context.Context, t backend.Table, o Options) (Report, error) {
	v := &verifier{
		table:         batch.NewTable(t),
		opts:          o,
		cache:         projection.NewCache[*conversation](),
		conversations: map[string]*finding{},
		rows:          map[backend.Key]string{},
	}
	const segments = 4
	g, gctx := errgroup.WithContext(ctx)
	for i := range segments {
		g.Go(func() error { return v.scan(gctx, i, segments) })
	}
	err := g.Wait()
	if err == nil {
		err = v.recheck(ctx)
	}
	return v.report, err
}

// verifier goes through a table and collects what to check twice.
type verifier struct {
	table batch.Table
	opts  Options
	cache *projection.Cache[*conversation] // conversations that were inspected

	mu            sync.Mutex
	report        Report
	conversations map[string]*finding    // that differ
	rows          map[backend.Key]string // those where none should be, with the conversation
}

func (v *verifier) scan(ctx context.Context, segment, segments int) error {
	s := backend.Scan{Segment: segment, Segments: segments, Consistent: true}
	for item, err := range v.table.Scan(ctx, s) {
		if err == nil {
			err = v.item(ctx, item)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// item counts one item and inspects the conversation it belongs to.
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
			v.suspectRow(key, group)
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
	if err == nil && c.head == nil && key.SK == c.first {
		v.count(&v.report.Conversations) // there is no other item to count it by
	}
	return err
}

func isMessage(key backend.Key) bool { return strings.HasPrefix(key.SK, postroom.MessagePrefix) }

func (v *verifier) count(n *int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	*n++
	if v.opts.Progress != nil {
		v.opts.Progress(v.report.Messages + v.report.Conversations + v.report.GroupItems)
	}
}

func (v *verifier) suspectRow(key backend.Key, group string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.rows[key] = group
}

// conversation inspects a conversation, once for as long as it is cached.
func (v *verifier) conversation(ctx context.Context, group string) (*conversation, error) {
	if c, ok := v.cache.Get(group); ok {
		return c, nil
	}
	f, err := v.inspect(ctx, group)
	if err != nil {
		return nil, err
	}
	v.cache.Put(group, f.conversation, len(f.conversation.members))
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(f.differences) > 0 && v.conversations[group] == nil {
		f.differences = nil // not needed, only that there are any
		v.conversations[group] = f
	}
	return f.conversation, nil
}

func (v *verifier) found(d Difference) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.report.Differences++
	if v.opts.Found != nil {
		v.opts.Found(d)
	}
}
