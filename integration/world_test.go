package integration

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/aws"
	"github.com/postroom/postroom/backend/local"
	"github.com/postroom/postroom/internal/reference"
)

// world is a table and a queue for one test, the processes that work on them, and
// the result that they have to reach.
type world struct {
	t       *testing.T
	server  *server
	program string
	table   string
	queue   string

	mu        sync.Mutex
	posted    []reference.Message
	delivered map[string]int // how often a consumer printed each notification, by its id
}

// options of a world; the zero value: with the index, and a FIFO queue.
type options struct {
	noIndex  bool
	standard bool   // queue
	program  string // default: the one under test
}

// newWorld provisions on a server. What it made is removed when the test ends, unless
// the server is removed, too.
func newWorld(t *testing.T, s *server, o options) *world {
	t.Helper()
	w := unprovisioned(t, s)
	if o.standard {
		w.queue = w.table
	}
	if o.program != "" {
		w.program = o.program
	}
	index := "--index=keys-only"
	if o.noIndex {
		index = "--index=none"
	}
	w.provision(index)
	if s.container == nil && s.file == "" {
		t.Cleanup(func() { w.destroy() })
	}
	return w
}

// unprovisioned returns a world in which nothing is provisioned yet.
func unprovisioned(t *testing.T, s *server) *world {
	t.Helper()
	program, err := built()
	if err != nil {
		t.Fatal(err)
	}
	name := "postroom-test-" + strings.ToLower(rand.Text()[:10])
	return &world{t: t, server: s, program: program, table: name, queue: name + ".fifo", delivered: map[string]int{}}
}

func (w *world) provision(args ...string) {
	w.t.Helper()
	w.ok(append([]string{"provision", "--deletion-protection=false"}, args...)...)
}

// destroy removes what was made; the test's context may have ended.
func (w *world) destroy(args ...string) {
	destroy := exec.Command(w.program, append([]string{"destroy"}, args...)...)
	destroy.Env = w.environ(w.server.url)
	if out, err := destroy.CombinedOutput(); err != nil {
		w.t.Errorf("destroy: %v\n%s", err, out)
	}
}

// environ returns the environment of a process that reaches the server at a URL.
func (w *world) environ(url string) []string {
	environ := append(os.Environ(), "POSTROOM_TABLE="+w.table, "POSTROOM_QUEUE="+w.queue)
	if w.server.file != "" {
		return append(environ, "POSTROOM_BACKEND=local", "POSTROOM_DATA="+w.server.file)
	}
	return append(environ, "POSTROOM_BACKEND=aws", "POSTROOM_ENDPOINT_URL="+url)
}

// open opens the backend at a URL, for the test itself.
func (w *world) open(url string) backend.Backend {
	w.t.Helper()
	var b backend.Backend
	var err error
	if w.server.file != "" {
		b, err = local.Open(w.server.file, local.Options{})
	} else {
		b, err = aws.Open(w.t.Context(), aws.Options{EndpointURL: url})
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// run runs a command on the server itself.
func (w *world) run(args ...string) result {
	w.t.Helper()
	return command(w.t, w.program, w.environ(w.server.url), args...)
}

// ok runs a command that must succeed, and returns what it printed.
func (w *world) ok(args ...string) string {
	w.t.Helper()
	r := w.run(args...)
	if r.code != 0 {
		w.t.Fatalf("postroom %s: exit code %d\n%s%s", strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

// projector starts a projector that reaches the server at a URL.
func (w *world) projector(url string) *process {
	w.t.Helper()
	return w.projectorOf(w.program, url)
}

// projectorOf starts the projector of another version.
func (w *world) projectorOf(program, url string) *process {
	w.t.Helper()
	return spawn(w.t, program, "projector", w.environ(url), func(string) {}, "project")
}

// consumer starts a consumer that reaches the server at a URL.
func (w *world) consumer(url string, args ...string) *process {
	w.t.Helper()
	return spawn(w.t, w.program, "consumer", w.environ(url), w.deliver, append([]string{"consume"}, args...)...)
}

// deliver counts a notification that a consumer printed.
func (w *world) deliver(line string) {
	var event struct{ ID string }
	if err := json.Unmarshal([]byte(line), &event); err != nil || event.ID == "" {
		w.t.Errorf("a consumer printed %q", line)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.delivered[event.ID]++
}

// post appends messages, and repeats that until all of them are in the log, as a
// producer does that gets no answer.
func (w *world) post(url string, messages ...reference.Message) {
	w.t.Helper()
	if err := w.tryPost(url, messages); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) tryPost(url string, messages []reference.Message) error {
	file, err := w.file(messages)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(w.t.Context(), patience, timeoutError("messages to be accepted"))
	defer cancel()
	for {
		r := command(w.t, w.program, w.environ(url), "post", "--file", file, "--json")
		if r.code == 0 {
			break
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%w: %s", context.Cause(ctx), r.stderr)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.posted = append(w.posted, messages...)
	return os.Remove(file)
}

func (w *world) file(messages []reference.Message) (string, error) {
	var text bytes.Buffer
	for _, m := range messages {
		line, err := json.Marshal(m)
		if err != nil {
			return "", err
		}
		text.Write(append(line, '\n'))
	}
	file := filepath.Join(w.t.TempDir(), "messages.jsonl")
	return file, os.WriteFile(file, text.Bytes(), 0o600)
}

// behind returns what is still to be done for the messages that were posted: nil
// when everything is projected, and every recipient is notified.
func (w *world) behind() error {
	w.mu.Lock()
	posted := w.posted[:len(w.posted):len(w.posted)]
	missing := 0
	wanted := reference.Notifications(posted)
	for id := range wanted {
		if w.delivered[id] == 0 {
			missing++
		}
	}
	w.mu.Unlock()
	if missing > 0 {
		return fmt.Errorf("%d of %d notifications have not come", missing, len(wanted))
	}
	return w.projected(posted)
}

// projected compares every inbox with the plain fold of messages.
func (w *world) projected(posted []reference.Message) error {
	r := w.run("inbox", "--all", "--json")
	if r.code != 0 {
		return fmt.Errorf("inbox: %s", r.stderr)
	}
	got := strings.Split(strings.TrimSpace(r.stdout), "\n")
	slices.Sort(got)
	if d := reference.FirstDifference(got, reference.Inbox(posted)); d != "" {
		return fmt.Errorf("%d rows: %s", len(got), d)
	}
	return nil
}

// settle waits until all that was posted is projected and notified, and returns how
// long that took.
func (w *world) settle() time.Duration {
	w.t.Helper()
	start := time.Now()
	for {
		err := w.behind()
		if err == nil {
			return time.Since(start)
		}
		if time.Since(start) > patience {
			w.t.Fatalf("after %v: %v", patience, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// check checks everything that has to hold once nothing happens any more, with the
// operator's commands and with our own counts.
func (w *world) check() {
	w.t.Helper()
	if err := w.behind(); err != nil {
		w.t.Error(err)
	}
	if r := w.run("verify"); r.code != 0 {
		w.t.Errorf("verify: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	var status struct {
		Shards   []struct{ Lost string }
		Backfill struct {
			OpenGaps []struct{ Reason string } `json:"open_gaps"`
		}
		Quarantined int
		Dead        struct{ Visible int } `json:"dead_letter_queue"`
	}
	if err := json.Unmarshal([]byte(w.ok("status", "--json")), &status); err != nil {
		w.t.Error(err)
	}
	if status.Quarantined != 0 || status.Dead.Visible != 0 {
		w.t.Errorf("quarantined or dead-lettered: %+v", status)
	}
	if len(status.Backfill.OpenGaps) != 0 {
		w.t.Errorf("still to be backfilled from the log: %+v", status.Backfill.OpenGaps)
	}
	for _, s := range status.Shards {
		if s.Lost != "" {
			w.t.Errorf("lost to the stream: %s", s.Lost)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	wanted := reference.Notifications(w.posted)
	for id, times := range w.delivered {
		if !wanted[id] {
			w.t.Errorf("the notification %s was delivered (%d times), but follows from no message", id, times)
		}
	}
}

// times returns how many notifications were delivered, and how many of them differ.
func (w *world) times() (deliveries, different int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, n := range w.delivered {
		deliveries += n
	}
	return deliveries, len(w.delivered)
}

// members returns some members of the conversations, two of each.
func (w *world) members(most int) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var users []string
	for _, m := range w.posted {
		for _, member := range m.Members[:min(2, len(m.Members))] {
			if len(users) == most {
				return users
			}
			if !slices.Contains(users, member.UserUUID) {
				users = append(users, member.UserUUID)
			}
		}
	}
	return users
}
