package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend/local"
	"github.com/postroom/postroom/cmd/postroom/sample"
	"github.com/postroom/postroom/inbox"
	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/producer"
)

var (
	loadFile  = flag.String("load.file", "", "JSONL file, packed with gzip, whose messages TestOperatorsUnderLoad posts; default: the sample")
	loadRate  = flag.Int("load.rate", 10, "messages a second that it posts")
	loadUnits = flag.Int("load.units", 500, "capacity units a second that operators may consume")
	loadFor   = flag.Duration("load.for", 500*time.Millisecond, "how long it posts and reads while no operator works, before and between the others")
)

// operations are what operators do while people write and read, one after the other.
func operations() [][]string {
	units := fmt.Sprint(*loadUnits)
	return [][]string{
		{"replay", "--from", "24h"},
		{"rebuild", "--all", "--rate", units},
		{"rebuild", "--shadow", "next", "--row-format", "2", "--rate", units},
		{"verify", "--repair", "--shadow", "next", "--rate", units},
		{"rebuild", "switch", "next"},
		{"rebuild", "switch", "default"},
		{"rebuild", "drop", "next", "--rate", units},
		{"verify", "--repair", "--rate", units},
	}
}

// TestOperatorsUnderLoad works as operators do while messages are posted and inboxes are
// read. No inbox may be wrong at any moment, and nobody is notified twice. With -v it says
// how long reads took in the meantime; with the flags above it is a benchmark:
//
//	go test ./cmd/postroom -run TestOperatorsUnderLoad -v -load.rate 200 -load.for 20s
func TestOperatorsUnderLoad(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.ok("provision")
	b, err := local.Open(s.path("postroom.db"), local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	l := &load{t: t, inbox: inbox.New(b.Table(defaultTable)), shown: map[string]map[string]time.Time{}, posted: map[string]map[time.Time]string{}}

	daemons, stopDaemons := context.WithCancel(t.Context())
	defer stopDaemons()
	var running sync.WaitGroup
	var told string
	running.Go(func() {
		s.wantStopped("project", s.endless(daemons, strings.NewReader(""), "project", "--log-level", "warn"))
	})
	running.Go(func() {
		r := s.endless(daemons, strings.NewReader(""), "consume", "--log-level", "warn")
		told = r.stdout
		s.wantStopped("consume", r)
	})
	people, stopPeople := context.WithCancel(t.Context())
	defer stopPeople()
	var busy errgroup.Group
	busy.Go(func() error {
		return l.post(people, producer.New(b.Table(defaultTable), producer.Options{}), loadedMessages(t))
	})
	for range 4 {
		busy.Go(func() error { return l.read(people) })
	}
	l.while("nobody", func() { _ = retry.Sleep(people, *loadFor, nil) })
	for _, args := range operations() {
		l.while(strings.Join(args, " "), func() {
			if r := s.endless(t.Context(), strings.NewReader(""), args...); r.code != exitDone { // as long as it takes
				t.Errorf("%s: %+v", args, r)
			}
		})
		l.while("nobody", func() { _ = retry.Sleep(people, *loadFor, nil) })
	}
	stopPeople()
	if err := busy.Wait(); err != nil {
		t.Error(err)
	}
	stopDaemons()
	running.Wait()
	l.wantTold(told + s.pipeline())
	if out := s.ok("verify"); !strings.HasSuffix(out, ": 0 differences\n") {
		t.Errorf("verify printed %s", out)
	}
}

// wantStopped checks that a daemon has ended because it was stopped.
func (s *shell) wantStopped(name string, r result) {
	if r.code != exitDone {
		s.t.Errorf("%s: exit code %d\n%s", name, r.code, r.stderr)
	}
}

// load is people who write and read.
type load struct {
	t     *testing.T
	inbox *inbox.Inbox

	mu     sync.Mutex
	posted map[string]map[time.Time]string // the beginning of each message, by conversation
	users  []string                        // who is in one of these
	shown  map[string]map[string]time.Time // the latest reply of each conversation, by user
	count  int                             // of notifications that are to be sent
	reads  []time.Duration                 // of inboxes, since the operator began
}

// loadedMessages are the messages to post, each conversation's from its first on.
func loadedMessages(t *testing.T) []postroom.Message {
	t.Helper()
	packed := sample.Open()
	if *loadFile != "" {
		f, err := os.Open(*loadFile)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		packed = f
	}
	unpacked, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	var all []postroom.Message
	for lines := bufio.NewReader(unpacked); ; {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return all
		}
		var m postroom.Message
		if err == nil {
			err = m.UnmarshalJSON(line)
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
}

// post posts messages at the rate until ctx is done, as if they were written now.
func (l *load) post(ctx context.Context, p *producer.Producer, all []postroom.Message) error {
	const writers = 8 // each has its conversations, and so keeps their order
	queues := make([]chan postroom.Message, writers)
	var g errgroup.Group
	members := map[string]int{}
	for i := range queues {
		queues[i] = make(chan postroom.Message, 1000)
		g.Go(func() error {
			for m := range queues[i] {
				m.CreatedAt = postroom.RoundTime(time.Now())
				l.mu.Lock()
				for l.posted[m.GroupUUID][m.CreatedAt] != "" {
					m.CreatedAt = m.CreatedAt.Add(time.Microsecond)
				}
				l.note(m)
				l.mu.Unlock()
				if _, err := p.Post(context.WithoutCancel(ctx), m); err != nil {
					return err
				}
			}
			return nil
		})
	}
	due := time.NewTicker(time.Second / time.Duration(*loadRate))
	defer due.Stop()
	for i := 0; ctx.Err() == nil; i++ {
		m := all[i%len(all)]
		if i >= len(all) { // people say it once more
			m.MessageUUID, m.Members = uuid.NewString(), nil
		}
		if len(m.Members) > 0 {
			members[m.GroupUUID] = len(m.Members)
		}
		select {
		case <-due.C:
		case <-ctx.Done():
			continue
		}
		hash := fnv.New32a()
		hash.Write([]byte(m.GroupUUID))
		queues[hash.Sum32()%writers] <- m
		l.mu.Lock()
		l.count += members[m.GroupUUID] - 1
		l.mu.Unlock()
	}
	for _, q := range queues {
		close(q)
	}
	return g.Wait()
}

// note notes a message that is about to be posted.
func (l *load) note(m postroom.Message) {
	if l.posted[m.GroupUUID] == nil {
		l.posted[m.GroupUUID] = map[time.Time]string{}
		for _, member := range m.Members {
			if l.shown[member.UserUUID] == nil {
				l.shown[member.UserUUID] = map[string]time.Time{}
				l.users = append(l.users, member.UserUUID)
			}
		}
	}
	l.posted[m.GroupUUID][m.CreatedAt] = postroom.Preview(m.Text)
}

// read reads one inbox after another until ctx is done.
func (l *load) read(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := retry.Sleep(ctx, 10*time.Millisecond, nil); err != nil {
			return nil
		}
		l.mu.Lock()
		if len(l.users) == 0 {
			l.mu.Unlock()
			continue
		}
		user := l.users[rand.N(len(l.users))]
		before := map[string]time.Time{}
		for group, at := range l.shown[user] {
			before[group] = at
		}
		l.mu.Unlock()
		began := time.Now()
		page, err := l.inbox.Conversations(context.WithoutCancel(ctx), user, inbox.PageOptions{Limit: inbox.MaxLimit, Consistent: true})
		took := time.Since(began)
		if err != nil {
			return err
		}
		l.check(user, before, page, took)
	}
	return nil
}

// check holds a page against what was posted, and against what the user saw before.
func (l *load) check(user string, before map[string]time.Time, page inbox.Page[postroom.Group], took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reads = append(l.reads, took)
	if len(page.Unreadable) > 0 {
		l.t.Errorf("the inbox of %s has %v", user, page.Unreadable)
	}
	var oldest time.Time // on the page; what is older may be on the next one
	if page.Cursor != "" {
		oldest = page.Items[len(page.Items)-1].LastReplyAt
	}
	for _, g := range page.Items {
		text, there := l.posted[g.GroupUUID][g.LastReplyAt]
		if !there || text != g.LastMessage {
			l.t.Errorf("the inbox of %s shows %q of %v in %s, and what was posted then is %q", user, g.LastMessage, g.LastReplyAt, g.GroupUUID, text)
		}
		if g.LastReplyAt.Before(before[g.GroupUUID]) {
			l.t.Errorf("the inbox of %s shows %s at %v, and before at %v", user, g.GroupUUID, g.LastReplyAt, before[g.GroupUUID])
		}
		delete(before, g.GroupUUID)
		if g.LastReplyAt.After(l.shown[user][g.GroupUUID]) {
			l.shown[user][g.GroupUUID] = g.LastReplyAt
		}
	}
	for group, at := range before {
		if at.Before(oldest) {
			continue
		}
		l.t.Errorf("the inbox of %s does not show %s, which it did at %v", user, group, at)
	}
}

// while says how long reads take while somebody works.
func (l *load) while(who string, works func()) {
	l.mu.Lock()
	l.reads = nil
	l.mu.Unlock()
	began := time.Now()
	works()
	took := time.Since(began)
	l.mu.Lock()
	defer l.mu.Unlock()
	slices.Sort(l.reads)
	if n := len(l.reads); n > 0 {
		l.t.Logf("%-28s %8v   %5d reads: p50 %v, p99 %v", who, took.Round(time.Millisecond), n,
			l.reads[n/2].Round(10*time.Microsecond), l.reads[n*99/100].Round(10*time.Microsecond))
	}
}

// wantTold checks that each notification was delivered, once.
func (l *load) wantTold(output string) {
	l.t.Helper()
	times := map[string]int{}
	for _, n := range lines[postroom.Notification](l.t, output) {
		times[n.ID]++
	}
	for id, n := range times {
		if n != 1 {
			l.t.Errorf("notification %s was delivered %d times", id, n)
		}
	}
	if len(times) != l.count {
		l.t.Errorf("%d notifications were delivered, want %d", len(times), l.count)
	}
	l.t.Logf("%d notifications", len(times))
}
