package stream

import (
	"context"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/stream/internal/lease"
)

// crowd is a stream of many open shards and the control table beside it. It
// costs little by itself, takes its time over each call, and keeps account.
type crowd struct {
	table   *fakeTable
	shards  []string
	busy    int           // so many of the first bring records,
	every   time.Duration // one in this time
	latency time.Duration // of a call; a write takes half of it
	stall   atomic.Int64  // of a read of records, in addition

	mu         sync.Mutex
	calls      map[string]float64 // by what they are
	reads      []int              // of records, by shard
	begun      time.Time          // the first of them
	unread     []time.Time        // since when nobody reads it, by shard; zero: somebody does
	gap        time.Duration      // the longest that one was not read
	lease      []lease.Lease      // as last written, by shard
	moves      []int              // changes of owner, by shard
	owned      int                // shards that ever had an owner
	beats      map[string]time.Time
	longest    time.Duration // between two heartbeats of a worker
	goroutines int           // at most
}

const crowdARN = "arn:aws:dynamodb:local:000000000000:table/t/stream/1"

func newCrowd(shards, busy int) *crowd {
	c := &crowd{
		table: newTable(), busy: busy, every: 10 * time.Millisecond, latency: 10 * time.Millisecond,
		calls: map[string]float64{}, beats: map[string]time.Time{},
		reads: make([]int, shards), unread: make([]time.Time, shards), lease: make([]lease.Lease, shards), moves: make([]int, shards),
		begun: time.Now(),
	}
	for i := range shards {
		c.shards = append(c.shards, fmt.Sprintf("shardId-%020d-%08x", 1_795_192_820_000, i))
	}
	c.table.wrote = c.wrote
	return c
}

// wrote keeps account of a write of the control table.
func (c *crowd) wrote(item backend.Item) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := backend.KeyOf(item)
	kind, id, _ := strings.Cut(key.SK, "#")
	if key.PK == "streams" {
		kind = key.PK
	}
	c.calls["write units "+kind] += math.Ceil(float64(backend.ItemBytes(item)) / 1024)
	switch kind {
	case "WORKER":
		if before, ok := c.beats[id]; ok {
			c.longest = max(c.longest, time.Since(before))
		}
		c.beats[id] = time.Now()
	case "SHARD":
		next, err := lease.Decode(item)
		if err != nil {
			panic(err)
		}
		i, _ := slices.BinarySearch(c.shards, id)
		if next.Worker != "" && next.Session != c.lease[i].Session {
			if c.moves[i]++; c.lease[i].Worker == "" {
				c.owned++
			}
			if c.unread[i].IsZero() { // else its last owner stopped before
				c.unread[i] = time.Now()
			}
		}
		c.lease[i] = next
	}
}

// called counts a call, or the units of it.
func (c *crowd) called(what string, n float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[what] += n
	c.goroutines = max(c.goroutines, runtime.NumGoroutine())
}

// account returns what was counted so far.
func (c *crowd) account() (calls map[string]float64, reads []int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.calls), slices.Clone(c.reads)
}

// line is how one worker reaches a crowd. Once it is cut, no call is answered.
type line struct {
	*crowd
	backend.Table
	cut atomic.Bool
}

func (l *line) wait(ctx context.Context, d time.Duration) error {
	if err := retry.Sleep(ctx, d, nil); err != nil {
		return err
	}
	if l.cut.Load() {
		<-ctx.Done()
	}
	return ctx.Err()
}

func (l *line) Shards(ctx context.Context, after string) (page backend.ShardPage, err error) {
	l.called("list", 1)
	i, _ := slices.BinarySearch(l.shards, after)
	if after != "" {
		i++
	}
	page.StreamARN = crowdARN
	end := min(i+100, len(l.shards))
	for _, id := range l.shards[i:end] {
		page.Shards = append(page.Shards, backend.Shard{ID: id})
	}
	if end < len(l.shards) {
		page.Last = l.shards[end-1]
	}
	return page, l.wait(ctx, l.latency)
}

func (l *line) Children(ctx context.Context, arn, parent string) ([]backend.Shard, error) {
	return nil, l.wait(ctx, l.latency)
}

func (l *line) Changed() <-chan struct{} { return nil }

// iterators are as long as those of AWS.
var iteratorTail = "|" + strings.Repeat("A", 250)

func (l *line) Iterator(ctx context.Context, arn, id string, at backend.Position) (string, error) {
	l.called("open", 1)
	i, _ := slices.BinarySearch(l.shards, id)
	n, _ := strconv.Atoi(at.Sequence)
	return fmt.Sprintf("%d|%d%s", i, n, iteratorTail), l.wait(ctx, l.latency)
}

func (l *line) Records(ctx context.Context, iterator string, limit int) (page backend.RecordPage, err error) {
	if err := l.wait(ctx, l.latency+time.Duration(l.stall.Load())); err != nil {
		return page, err
	}
	head, rest, _ := strings.Cut(iterator, "|")
	at, _, _ := strings.Cut(rest, "|")
	i, _ := strconv.Atoi(head)
	n, _ := strconv.Atoi(at)
	l.called("read", 1)
	l.mu.Lock()
	l.reads[i]++
	if !l.unread[i].IsZero() {
		l.gap = max(l.gap, time.Since(l.unread[i]))
		l.unread[i] = time.Time{}
	}
	l.mu.Unlock()
	if i < l.busy {
		for end := min(int(time.Since(l.begun)/l.every), n+limit); n < end; {
			n++
			image := make([]byte, 1000)
			page.Records = append(page.Records, backend.Record{
				Sequence: fmt.Sprintf("%021d", n), EventID: fmt.Sprintf("%032d", n), Event: backend.Insert,
				Key: backend.Key{PK: "group", SK: "MSG#"}, CreatedAt: time.Now(), SizeBytes: int64(len(image)),
				NewImage: func() (backend.Item, error) { return backend.Item{"image": item.String(string(image))}, nil },
			})
		}
	}
	page.Next = head + "|" + strconv.Itoa(n) + iteratorTail
	return page, nil
}

func (l *line) Get(ctx context.Context, key backend.Key) (backend.Item, backend.Units, error) {
	l.called("get", 1)
	if err := l.wait(ctx, l.latency); err != nil {
		return nil, backend.Units{}, err
	}
	return l.table.Get(ctx, key)
}

// Query reads pages as large as DynamoDB's.
func (l *line) Query(ctx context.Context, q backend.Query) (page backend.Page, err error) {
	if err := l.wait(ctx, l.latency); err != nil {
		return page, err
	}
	l.table.mu.Lock()
	bytes := 0
	for key, item := range l.table.items {
		if key.PK == q.PK && strings.HasPrefix(key.SK, q.SKPrefix) {
			page.Items = append(page.Items, maps.Clone(item))
			bytes += backend.ItemBytes(item)
		}
	}
	l.table.mu.Unlock()
	if bytes > 1<<20 {
		panic("a page for DynamoDB to divide")
	}
	units := math.Ceil(float64(bytes) / 4096)
	if !q.Consistent {
		units /= 2
	}
	kind, _, _ := strings.Cut(q.SKPrefix, "#")
	if q.PK == "streams" {
		kind = q.PK
	}
	l.called("query "+kind, 1)
	l.called("read units "+kind, units)
	return page, nil
}

func (l *line) Put(ctx context.Context, item backend.Item, c backend.Condition) (backend.Units, error) {
	if err := l.wait(ctx, l.latency/2); err != nil {
		return backend.Units{}, err
	}
	return l.table.Put(ctx, item, c)
}

func (l *line) BatchWrite(ctx context.Context, writes []backend.Write) ([]backend.Write, backend.Units, error) {
	if err := l.wait(ctx, l.latency/2); err != nil {
		return nil, backend.Units{}, err
	}
	return l.table.BatchWrite(ctx, writes)
}

// member is one worker on a crowd.
type member struct {
	*line
	*Reader
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

// join starts a worker that acknowledges everything at once.
func (c *crowd) join(t *testing.T, o config) *member {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	m := &member{line: &line{crowd: c}, cancel: cancel, done: make(chan struct{})}
	m.Reader = newReader(m.line, m.line, Handler(func(_ context.Context, records []*Record) error {
		for _, r := range records {
			r.Ack()
		}
		return nil
	}), o)
	go func() {
		defer close(m.done)
		m.err = m.Run(ctx)
	}()
	t.Cleanup(func() { m.stop(t) })
	return m
}

func (m *member) stop(t *testing.T) {
	t.Helper()
	m.mu.Lock()
	for i, l := range m.lease {
		if current := m.current.Load(); current != nil && l.Session == current.self.Session {
			m.unread[i] = time.Now()
		}
	}
	m.mu.Unlock()
	m.cancel()
	if <-m.done; m.err != nil {
		t.Errorf("stopped with %v", m.err)
	}
}

// crash ends a worker without a word to anybody.
func (m *member) crash(t *testing.T) {
	t.Helper()
	m.cut.Store(true)
	m.stop(t)
}
