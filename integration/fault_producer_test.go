package integration

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/postroom/postroom/internal/reference"
)

// TestProducerKilled kills the producer in the middle of a file, again and again,
// each time with a put on its way to the server, where it still arrives.
func TestProducerKilled(t *testing.T) {
	t.Parallel()
	b := newBulk(t, roomyServer(t))
	for range 4 {
		p, _, put := b.inTheMiddle()
		p.kill()
		put.letGo()
	}
	b.complete()
}

// TestProducerStopped stops the producer gracefully, again and again. The producer
// says that the same command continues.
func TestProducerStopped(t *testing.T) {
	t.Parallel()
	b := newBulk(t, roomyServer(t))
	for range 4 {
		p, _, put := b.inTheMiddle()
		since := time.Now()
		p.signal(syscall.SIGTERM)
		if err := await(t.Context(), "the producer to end", p.exited); err != nil {
			t.Fatal(err)
		}
		took := time.Since(since)
		t.Logf("stopped within %v", took.Round(time.Millisecond))
		if took > stopTime {
			t.Errorf("the producer took %v to stop", took)
		}
		said := p.log.tail(5)
		if code := p.cmd.ProcessState.ExitCode(); code != 1 || said != "postroom: interrupted; the same command again goes on from here" {
			t.Errorf("exit code %d: %s", code, said)
		}
		put.letGo()
	}
	b.complete()
}

// TestProducerFrozen freezes the producer for a while. It continues by itself.
func TestProducerFrozen(t *testing.T) {
	t.Parallel()
	b := newBulk(t, roomyServer(t))
	p, out, put := b.inTheMiddle()
	p.freeze()
	put.letGo()
	time.Sleep(3 * time.Second) // is the fault
	p.thaw()
	if err := await(t.Context(), "the producer to end", p.exited); err != nil {
		t.Fatal(err)
	}
	if p.err != nil {
		t.Errorf("the producer ended with %v", p.err)
	}
	b.summary(out.tail(1))
	b.complete()
}

// givingUp is what a producer may take to give up on a server that does not
// answer: ten calls of five seconds, and the pauses between them.
const givingUp = 75 * time.Second

// TestProducerGivesUp stops the server in the middle of a producer's work, and
// before another one begins, for as long as it takes both to give up.
func TestProducerGivesUp(t *testing.T) {
	t.Parallel()
	b := newBulk(t, ownServer(t))
	working, _, put := b.inTheMiddle()
	if err := b.server.pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	arrived := make(chan struct{})
	go func() { // by then its sender has given up
		defer close(arrived)
		put.letGo()
	}()
	fresh, _ := b.producer(b.server.url)
	since := time.Now()
	for _, p := range []*process{working, fresh} {
		select {
		case <-p.exited:
			t.Logf("gave up after %.1f s", time.Since(since).Seconds())
		case <-time.After(givingUp - time.Since(since)):
			t.Fatalf("no producer has given up after %v", givingUp)
		}
		if code := p.cmd.ProcessState.ExitCode(); code != 1 {
			t.Errorf("exit code %d", code)
		}
		said := p.log.tail(5)
		for _, part := range []string{"stopped with ", " messages stored", "line ", "did not answer", "check the endpoint"} {
			if !strings.Contains(said, part) {
				t.Errorf("the producer does not say %q: %s", part, said)
			}
		}
	}
	if err := b.server.resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := await(t.Context(), "the last put to arrive", arrived); err != nil {
		t.Fatal(err)
	}
	b.complete()
}

// bulk is a file of messages for a producer, and projectors and a consumer that
// are at work all the while.
type bulk struct {
	*world
	way      *detour
	file     string
	messages []reference.Message
	daemons  []*process
}

func newBulk(t *testing.T, s *server) *bulk {
	t.Helper()
	b := &bulk{world: newWorld(t, s, options{}), way: newDetour(t, s), messages: realMessages(t, 600)}
	var err error
	if b.file, err = b.world.file(b.messages); err != nil {
		t.Fatal(err)
	}
	b.daemons = append(b.group(s.url, several), b.consumer(s.url))
	return b
}

// producer starts to post the file to a URL.
func (b *bulk) producer(url string) (p *process, out *lines) {
	b.t.Helper()
	out = &lines{}
	return spawn(b.t, b.program, "producer", b.environ(url), out.add, "post", "--file", b.file, "--json"), out
}

// inTheMiddle starts a producer and returns once it puts a message at a random
// place of the file. That put is held up; puts of other conversations may have
// happened or not.
func (b *bulk) inTheMiddle() (p *process, out *lines, put *held) {
	b.t.Helper()
	n := len(b.messages)/10 + rand.N(len(b.messages)*8/10)
	put = b.way.hold(func(operation string, body []byte) bool {
		return operation == "PutItem" && strings.Contains(string(body), b.messages[n].MessageUUID)
	})
	p, out = b.producer(b.way.url)
	if err := put.wait(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	b.t.Logf("the fault is at line %d", n+1)
	return p, out, put
}

// summary reads what a finished producer printed, and returns how many messages
// were in the log already.
func (b *bulk) summary(text string) int {
	b.t.Helper()
	var s struct {
		Stored       int
		AlreadyThere int `json:"already_there"`
		Refused      int
	}
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		b.t.Fatalf("the producer printed %q: %v", text, err)
	}
	if s.Stored+s.AlreadyThere != len(b.messages) || s.Refused != 0 {
		b.t.Errorf("of %d messages: %s", len(b.messages), text)
	}
	return s.AlreadyThere
}

// complete runs the same command again, and expects that the log holds every
// message once, and that everything is projected and notified.
func (b *bulk) complete() {
	b.t.Helper()
	there := b.summary(b.ok("post", "--file", b.file, "--json"))
	b.t.Logf("%d of %d messages were in the log", there, len(b.messages))
	if there == 0 {
		b.t.Error("the log holds none of the messages that were begun")
	}
	if there := b.summary(b.ok("post", "--file", b.file, "--json")); there != len(b.messages) {
		b.t.Errorf("now %d of %d messages are in the log", there, len(b.messages))
	}
	b.mu.Lock()
	b.posted = b.messages
	b.mu.Unlock()
	b.t.Logf("settled in %.1f s", b.settle().Seconds())
	for _, d := range b.daemons {
		d.stop()
	}
	b.check()
	var log struct{ Messages int }
	if err := json.Unmarshal([]byte(b.ok("verify", "--json")), &log); err != nil || log.Messages != len(b.messages) {
		b.t.Errorf("the log holds %d messages (%v), and should %d", log.Messages, err, len(b.messages))
	}
}
