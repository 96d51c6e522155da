package verify

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/batch"
	"github.com/postroom/postroom/internal/longscan"
	"github.com/postroom/postroom/internal/views"
	"github.com/postroom/postroom/projector/projection"
)

// Difference is one place where the projection is not what the log says.
type Difference struct {
	Kind      Kind   `json:"kind"`
	GroupUUID string `json:"message_group_uuid,omitempty"`
	UserUUID  string `json:"user_uuid,omitempty"` // whose row it is about
	// PK and SK are the key of the item that it is about. One that is about several
	// messages has the first one's.
	PK       string `json:"pk"`
	SK       string `json:"sk"`
	Detail   string `json:"detail"`
	Repaired bool   `json:"repaired"`
}

// Key is the key of the item that the difference is about.
func (d Difference) Key() backend.Key { return backend.Key{PK: d.PK, SK: d.SK} }

// Kind says what is wrong.
type Kind string

// The kinds of differences.
const (
	Missing          Kind = "missing"           // a member has no row where the head is
	Doubled          Kind = "doubled"           // a member's row at another place
	Stale            Kind = "stale"             // a row does not show the newest message
	WrongPerspective Kind = "wrong_perspective" // it shows that, and not the other members
	Orphan           Kind = "orphan"            // a row of no member, or a head without messages
	HeadMissing      Kind = "head_missing"      // messages, and nothing projected
	HeadBehind       Kind = "head_behind"       // the head is before the newest message
	HeadAhead        Kind = "head_ahead"        // it is past the newest message
	Unreadable       Kind = "unreadable"        // a head or a row that cannot be decoded
	OpeningLost      Kind = "opening_lost"      // the message that the head says opened the conversation
	Stranded         Kind = "stranded"          // messages of a conversation that nobody has opened
	NotShown         Kind = "not_shown"         // messages that no inbox shows, all those of a conversation
	UUIDTwice        Kind = "uuid_twice"        // one message uuid under two keys
	IndexWrong       Kind = "index_wrong"       // the index does not list the rows
	NotInView        Kind = "not_in_view"       // the head does not name a view that is to have every conversation
)

// Repairable reports whether differences of the kind are repaired by [Options.Repair].
// The others are in the log, or in the index.
func (k Kind) Repairable() bool {
	switch k {
	case OpeningLost, Stranded, NotShown, UUIDTwice, IndexWrong:
		return false
	}
	return true
}

// recheckAfter is the pause before whatever differs is checked again.
const recheckAfter = 2 * time.Second

// Options tune a verification. The zero value of each field means its default. At most
// one of Groups, Users and Sample may be set.
type Options struct {
	Index bool // the table has the index, which is compared too

	// Groups are the conversations to look at, and nothing else. Without the index the
	// lists of all members are read for rows in wrong places; with it, only that.
	Groups []string
	// Users are those whose rows, and the conversations that these name, are looked at.
	// A conversation of theirs whose row is missing is not found.
	Users []string
	// Sample is the share of the table to look at, from [LeastSample] to 1: of all partitions,
	// which are the conversations and the lists of users, so many are taken by the hash
	// of their keys, the same ones for the same Seed. Default: all of it.
	Sample float64
	Seed   uint64

	// View is the view that is to be held against the log: only differences of its rows and
	// of heads are reported, and its rows are counted. It may be one that is being filled,
	// and then is to have every conversation all the same. Default: the rows of all views,
	// of those of the view that readers read are counted.
	View string

	// Rate is how many capacity units a second are consumed at most. Default: no limit.
	Rate int
	// Repair repairs what differs: see [projection.Projection.Restore]. Default: nothing
	// is written.
	Repair bool
	// Found is called with every difference, one call after the other. Default: none.
	Found func(Difference)
	// Progress is called often, one call after the other, with the number of items
	// counted so far. It must not block. Default: none.
	Progress func(items int64)
}

// Report counts what a verification read and found. Skipped are messages that no
// inbox shows: unreadable ones, those of non-members, those that name other members
// than their conversation has, and those of conversations whose members nobody named.
// The projector quarantines them. They are a difference for each conversation. Of the
// differences, so many are repaired.
type Report struct {
	Messages      int64 `json:"messages"`
	Conversations int64 `json:"conversations"`
	GroupItems    int64 `json:"group_items"`
	Skipped       int64 `json:"skipped"`
	Differences   int64 `json:"differences"`
	Repaired      int64 `json:"repaired_differences"`
}

// Run compares the projection with the log. See the package comment. The error is one of
// package views if the table has no such view as Options.View.
func Run(ctx context.Context, t backend.Table, o Options) (Report, error) {
	t = longscan.NewPace(o.Rate).Table(t)
	v := &verifier{
		table:         batch.NewTable(t),
		projection:    projection.New(t),
		views:         views.NewKnown(t),
		opts:          o,
		cache:         projection.NewCache[*conversation](),
		conversations: map[string]*finding{},
		rows:          map[backend.Key]string{},
		repairs:       map[string][]Difference{},
	}
	for _, step := range []func(context.Context) error{v.checkView, v.look, v.recheck, v.repair} {
		if err := step(ctx); err != nil {
			return v.report, err
		}
	}
	return v.report, nil
}

// checkView checks that there is the view that is asked for.
func (v *verifier) checkView(ctx context.Context) error {
	if v.opts.View == "" {
		return nil
	}
	set, err := v.views.Within(ctx, views.MaxAge)
	if err != nil {
		return err
	}
	return set.CheckKept(v.opts.View)
}

// verifier goes through a table and collects what to check twice.
type verifier struct {
	table      batch.Table
	projection projection.Projection
	views      *views.Known
	opts       Options
	cache      *projection.Cache[*conversation] // conversations that were inspected

	mu            sync.Mutex
	report        Report
	conversations map[string]*finding     // that differ
	rows          map[backend.Key]string  // those where none should be, with the conversation
	settled       bool                    // no more rows are suspected
	repairs       map[string][]Difference // of conversations that are to be repaired
}

// item counts one item and inspects the conversation it belongs to.
func (v *verifier) item(ctx context.Context, item backend.Item) error {
	key := backend.KeyOf(item)
	if _, _, ok := postroom.ParseInboxKey(key.PK); ok {
		return v.row(ctx, key)
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
	if err == nil && !c.headThere && key.SK == c.first {
		v.count(&v.report.Conversations) // there is no other item to count it by
	}
	return err
}

// row counts a row and suspects it if its conversation is not there.
func (v *verifier) row(ctx context.Context, key backend.Key) error {
	set, err := v.views.Within(ctx, views.MaxAge)
	if err != nil {
		return err
	}
	name, _, _ := postroom.ParseInboxKey(key.PK)
	if view, _ := set.View(name); view.State == views.Dropping {
		return nil
	}
	if v.counts(set, name) {
		v.count(&v.report.GroupItems)
	}
	_, group, err := postroom.ParseRowKey(key.SK)
	if err != nil {
		v.found(Difference{Kind: Unreadable, UserUUID: userOf(key), PK: key.PK, SK: key.SK, Detail: err.Error()})
		return nil
	}
	owned, err := v.owned(ctx, key, group)
	if err == nil && !owned {
		v.suspectRow(key, group)
	}
	return err
}

// owned reports whether a row is where its conversation is. A sample has few rows of
// each conversation, so it does not read the log for them.
func (v *verifier) owned(ctx context.Context, key backend.Key, group string) (bool, error) {
	if v.opts.Sample > 0 {
		return v.glance(ctx, key, group)
	}
	c, err := v.conversation(ctx, group)
	if err != nil {
		return false, err
	}
	return c.owns(key), nil
}

func isMessage(key backend.Key) bool { return strings.HasPrefix(key.SK, postroom.MessagePrefix) }

func userOf(key backend.Key) string {
	_, user, _ := postroom.ParseInboxKey(key.PK)
	return user
}

// counts reports whether the rows of a view are counted.
func (v *verifier) counts(set views.Set, name string) bool {
	if v.opts.View != "" {
		return name == v.opts.View
	}
	return name == set.Live
}

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
	if !v.settled {
		v.rows[key] = group
	}
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
	v.countInspected(f)
	if len(f.differences) > 0 && v.conversations[group] == nil {
		f.differences = nil // not needed, only that there are any
		v.conversations[group] = f
	}
	return f.conversation, nil
}

// countInspected counts a conversation that no scan counts, with v.mu held.
func (v *verifier) countInspected(f *finding) {
	if len(v.opts.Groups)+len(v.opts.Users) == 0 {
		return
	}
	v.report.Messages += int64(f.messages)
	if f.messages > 0 || f.conversation.headThere {
		v.report.Conversations++
	}
	if len(v.opts.Groups) > 0 {
		v.report.GroupItems += int64(f.rows)
	}
}

// found notes a difference: it is reported, at once or when it was repaired.
func (v *verifier) found(d Difference) {
	if name, _, row := postroom.ParseInboxKey(d.PK); row && v.opts.View != "" && name != v.opts.View {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.opts.Repair && d.GroupUUID != "" {
		v.repairs[d.GroupUUID] = append(v.repairs[d.GroupUUID], d)
		return
	}
	v.tell(d)
}

// tell reports a difference, with v.mu held.
func (v *verifier) tell(d Difference) {
	v.report.Differences++
	if d.Repaired {
		v.report.Repaired++
	}
	if v.opts.Found != nil {
		v.opts.Found(d)
	}
}
