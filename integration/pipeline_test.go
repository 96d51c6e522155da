package integration

import (
	"slices"
	"strings"
	"testing"

	"github.com/postroom/postroom/internal/reference"
)

// mostMessages is how many real messages the whole pipeline is given.
const mostMessages = 5000

// TestPipeline runs post, project and consume over thousands of real messages,
// one after the other, and compares the result with a plain fold.
func TestPipeline(t *testing.T) {
	t.Parallel()
	for name, trial := range map[string]struct {
		options  options
		messages int
	}{
		"FIFO queue, index":        {options{}, mostMessages},
		"standard queue, no index": {options{standard: true, noIndex: true}, mostMessages / 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, roomyServer(t), trial.options)
			messages := realMessages(t, trial.messages)
			w.post(w.server.url, messages...)
			w.ok("project", "--until-idle")
			var consumers []*process
			for range 3 {
				consumers = append(consumers, w.consumer(w.server.url, "--until-idle"))
			}
			for _, c := range consumers {
				<-c.exited
				if c.err != nil {
					t.Errorf("a consumer ended with %v", c.err)
				}
			}
			w.check()
			deliveries, different := w.times()
			if deliveries != different {
				t.Errorf("%d notifications were delivered %d times, with nothing gone wrong", different, deliveries)
			}
			t.Logf("%d messages: %d rows, %d notifications", len(messages), len(reference.Inbox(messages)), different)
		})
	}
}

// realMessages returns some real messages, at most as many as asked for.
func realMessages(t *testing.T, most int) []reference.Message {
	t.Helper()
	messages, err := conversations()
	if err != nil {
		t.Fatal(err)
	}
	return messages[:min(most, len(messages))]
}

// TestPipelineLive runs three projectors and three consumers while messages come in,
// with a conversation of more members than one transaction takes.
//
// No other test runs meanwhile: during their faults a server may answer late, and a
// daemon would be right to warn of that.
func TestPipelineLive(t *testing.T) {
	for name, o := range map[string]options{
		"FIFO queue, no index":  {noIndex: true},
		"standard queue, index": {standard: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, roomyServer(t), o)
			daemons := w.group(w.server.url, several)
			for range 3 {
				daemons = append(daemons, w.consumer(w.server.url))
			}
			messages := slices.Concat(realMessages(t, 500), crowd(120, 12))
			for batch := 0; batch < len(messages); batch += 64 {
				w.post(w.server.url, messages[batch:min(batch+64, len(messages))]...)
			}
			w.settle()
			for _, d := range daemons {
				if strings.Contains(d.log.tail(100), "WARN") {
					t.Errorf("%s warns of something, although nothing went wrong", d.name)
				}
				d.stop()
			}
			w.check()
		})
	}
}
