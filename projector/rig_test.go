package projector

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/internal/sim"
	"github.com/postroom/postroom/projector/quarantine"
	"github.com/postroom/postroom/stream"
)

// rig is a projector on a table in memory, in virtual time, whose calls can be
// made to fail. It belongs into a synctest bubble.
type rig struct {
	t       *testing.T
	store   *sim.Store
	table   *hooked
	control *hooked
	queue   *hookedQueue
	p       *Projector
	options Options
	log     syncBuffer
	ended   chan error
	stop    context.CancelFunc
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t, store: sim.NewStore(1)}
	r.table = &hooked{Table: r.store.Table("t")}
	r.control = &hooked{Table: r.store.Table("control")}
	r.queue = &hookedQueue{Queue: r.store.Queue("q.fifo")}
	r.options = Options{Logger: slog.New(slog.NewTextHandler(&r.log, nil))}
	r.tuned(tuning{})
	r.readBefore()
	return r
}

// tuned makes another projector on what there is.
func (r *rig) tuned(t tuning) { r.p = newTuned(r.config(), r.options, t) }

// readBefore makes the stream one that was read before: at a first start the
// log is projected beside it.
func (r *rig) readBefore() {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	skip := stream.Handler(func(_ context.Context, records []*stream.Record) error {
		for _, record := range records {
			record.Ack()
		}
		return nil
	})
	reader := stream.NewReader(r.store.Stream("t"), r.store.Table("control"), skip, stream.Options{})
	go func() { ended <- reader.Run(ctx) }()
	for ok := false; !ok; _, ok = reader.IdleSince() {
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	if err := <-ended; err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) config() Config {
	return Config{
		Table: r.table, Control: r.control, Stream: r.store.Stream("t"), Queue: r.queue, QueueName: "q.fifo", TableName: "t", Index: true,
	}
}

// run starts the projector; it is stopped at the end of the test.
func (r *rig) run() {
	ctx, stop := context.WithCancel(context.Background())
	r.stop, r.ended = stop, make(chan error, 1)
	go func() { r.ended <- r.p.Run(ctx) }()
}

func (r *rig) end() {
	r.t.Helper()
	r.stop()
	if err := <-r.ended; err != nil {
		r.t.Errorf("Run: %v", err)
	}
}

func (r *rig) post(messages ...postroom.Message) {
	r.t.Helper()
	for _, m := range messages {
		r.put(m.Item())
	}
}

func (r *rig) put(item backend.Item) {
	r.t.Helper()
	if _, err := r.store.Table("t").Put(context.Background(), item, backend.Condition{}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) remove(key backend.Key) {
	r.t.Helper()
	if _, _, err := r.store.Table("t").BatchWrite(context.Background(), []backend.Write{{Delete: key}}); err != nil {
		r.t.Fatal(err)
	}
}

// project brings the conversation of messages that are posted to them, without
// a reader.
func (r *rig) project(messages ...postroom.Message) {
	r.t.Helper()
	r.p.config.Index = false // no pace
	r.post(messages...)
	l := &lane{group: messages[0].GroupUUID}
	for _, m := range messages {
		l.held = append(l.held, unread(m))
	}
	if _, err := r.p.advance(r.t.Context(), l); err != nil || len(l.held) > 0 {
		r.t.Fatalf("projecting: %v, %d messages left", err, len(l.held))
	}
}

// unread is a message whose acknowledgement nobody waits for.
func unread(m postroom.Message) *message {
	return newMessage(m, quarantine.Record{}, func(*message) {})
}

// settled waits until nothing is left to do.
func (r *rig) settled() {
	r.t.Helper()
	time.Sleep(2 * time.Second) // until what was posted last is read
	for range 600 {
		time.Sleep(time.Second)
		if since, ok := r.p.IdleSince(); ok && time.Since(since) > 2*time.Second {
			return
		}
	}
	r.t.Fatalf("not idle after ten minutes; its log:\n%s", r.log.String())
}

// rows are the last messages and times that members see, by user.
func (r *rig) rows(group string) map[string]postroom.Group {
	rows := map[string]postroom.Group{}
	for _, item := range r.store.Items("t") {
		g, err := postroom.GroupFromItem(item)
		if err != nil || g.GroupUUID != group {
			continue
		}
		if _, ok := rows[g.UserUUID]; ok {
			r.t.Errorf("user %s has two rows of %s", g.UserUUID, group)
		}
		rows[g.UserUUID] = g
	}
	return rows
}

func (r *rig) wantLast(last postroom.Message, members int) {
	r.t.Helper()
	rows := r.rows(last.GroupUUID)
	if len(rows) != members {
		r.t.Errorf("%d rows, want %d", len(rows), members)
	}
	for _, g := range rows {
		if !g.LastReplyAt.Equal(last.CreatedAt) || g.LastMessage != postroom.Preview(last.Text) {
			r.t.Errorf("row %+v, want the last message %q at %s", g, last.Text, last.CreatedAt)
			return
		}
	}
}

func (r *rig) wantQuarantined(n int, reason string) {
	r.t.Helper()
	found := 0
	for _, item := range r.store.Items("control") {
		key := backend.KeyOf(item)
		if !strings.HasPrefix(key.PK, quarantined) || !strings.HasSuffix(key.SK, "#000") {
			continue
		}
		found++
		if got := backend.Text(item, "reason"); !strings.Contains(got, reason) {
			r.t.Errorf("quarantined for %q, want %q", got, reason)
		}
	}
	if found != n {
		r.t.Errorf("%d records are quarantined, want %d; the log:\n%s", found, n, r.log.String())
	}
}

// incidents counts how often the log says that something fails and that it works
// again, after it had time to settle.
func (r *rig) incidents(what string) (fails, again int) {
	time.Sleep(10 * time.Second)
	log := r.log.String()
	return strings.Count(log, what+" fails"), strings.Count(log, what+" works again")
}

func (r *rig) wantOneIncident(what string) {
	r.t.Helper()
	if fails, again := r.incidents(what); fails != 1 || again != 1 {
		r.t.Errorf("%s: %d incidents begin and %d end:\n%s", what, fails, again, r.log.String())
	}
}

// quarantined begins the partition keys of quarantined records.
const quarantined = "QUARANTINE#"

func text(s string) types.AttributeValue { return item.String(s) }

func (r *rig) sent() int { return len(r.store.Sent("q.fifo")) }

func id(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

func people(n int) []postroom.Member {
	members := make([]postroom.Member, n)
	for i := range members {
		members[i] = postroom.Member{UserUUID: id(1000 + i), DisplayName: fmt.Sprint("user ", i), Handle: fmt.Sprint("@", i)}
	}
	return members
}

// start is the time of the first message of every conversation.
var start = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// conversationOf makes messages of a conversation, a microsecond apart, the first
// of which names its members. Its uuids are derived from n.
func conversationOf(n, members, messages int) []postroom.Message {
	all := people(members)
	var ms []postroom.Message
	for i := range messages {
		m := postroom.Message{
			GroupUUID: id(n), MessageUUID: id(n*100_000 + i), UserUUID: all[0].UserUUID,
			DisplayName: all[0].DisplayName, Handle: all[0].Handle,
			Text: fmt.Sprintf("message %d of %d", i, n), CreatedAt: start.Add(time.Duration(i) * time.Microsecond),
		}
		if i == 0 {
			m.Members = all
		}
		ms = append(ms, m)
	}
	return ms
}

// inBubble runs a test with a rig in virtual time.
func inBubble(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { test(t, newRig(t)) })
}

// hooked is a table some calls of which can fail before they happen. The index,
// which the simulation does not have, is answered from the rows.
type hooked struct {
	backend.Table

	mu         sync.Mutex
	onTransact func(actions []backend.Action) error
	onPut      func(item backend.Item) error
	onBatch    func(writes []backend.Write) error
	onRead     func(key backend.Key) error // Get and Query
	afterQuery func(q backend.Query)
	index      func(group string) []backend.Item
	calls      int
}

func hook[T any](h *hooked, f func() func(T) error, v T) error {
	h.mu.Lock()
	h.calls++
	call := f()
	h.mu.Unlock()
	if call == nil {
		return nil
	}
	return call(v)
}

// set changes the hooks.
func (h *hooked) set(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change()
}

func (h *hooked) Transact(ctx context.Context, token string, actions []backend.Action) (backend.Units, error) {
	if err := hook(h, func() func([]backend.Action) error { return h.onTransact }, actions); err != nil {
		return backend.Units{}, err
	}
	return h.Table.Transact(ctx, token, actions)
}

func (h *hooked) Put(ctx context.Context, item backend.Item, c backend.Condition) (backend.Units, error) {
	if err := hook(h, func() func(backend.Item) error { return h.onPut }, item); err != nil {
		return backend.Units{}, err
	}
	return h.Table.Put(ctx, item, c)
}

func (h *hooked) BatchWrite(ctx context.Context, writes []backend.Write) ([]backend.Write, backend.Units, error) {
	if err := hook(h, func() func([]backend.Write) error { return h.onBatch }, writes); err != nil {
		return nil, backend.Units{}, err
	}
	return h.Table.BatchWrite(ctx, writes)
}

func (h *hooked) Get(ctx context.Context, key backend.Key) (backend.Item, backend.Units, error) {
	if err := hook(h, func() func(backend.Key) error { return h.onRead }, key); err != nil {
		return nil, backend.Units{}, err
	}
	return h.Table.Get(ctx, key)
}

func (h *hooked) Query(ctx context.Context, q backend.Query) (backend.Page, error) {
	if q.Index != "" {
		return backend.Page{Items: h.index(q.PK)}, nil
	}
	if err := hook(h, func() func(backend.Key) error { return h.onRead }, backend.Key{PK: q.PK}); err != nil {
		return backend.Page{}, err
	}
	page, err := h.Table.Query(ctx, q)
	h.mu.Lock()
	after := h.afterQuery
	h.mu.Unlock()
	if after != nil {
		after(q)
	}
	return page, err
}

type hookedQueue struct {
	backend.Queue

	mu     sync.Mutex
	onSend func(entries []backend.SendEntry) ([]backend.EntryError, error)
}

func (q *hookedQueue) set(f func([]backend.SendEntry) ([]backend.EntryError, error)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.onSend = f
}

func (q *hookedQueue) Send(ctx context.Context, entries []backend.SendEntry) ([]backend.EntryError, error) {
	q.mu.Lock()
	f := q.onSend
	q.mu.Unlock()
	if f == nil {
		return q.Queue.Send(ctx, entries)
	}
	failed, err := f(entries)
	if err != nil {
		return nil, err
	}
	var rest []backend.SendEntry
	for i, e := range entries {
		if !slices.ContainsFunc(failed, func(f backend.EntryError) bool { return f.Index == i }) {
			rest = append(rest, e)
		}
	}
	if len(rest) == 0 {
		return failed, nil
	}
	_, err = q.Queue.Send(ctx, rest)
	return failed, err
}

func failure(kind backend.Kind) error { return &backend.Error{Op: "test", Kind: kind} }

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func encoded(item backend.Item) string {
	data, err := backend.EncodeItem(item)
	return fmt.Sprintf("%s %v", data, err)
}
