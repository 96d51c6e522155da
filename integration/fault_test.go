package integration

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postroom/postroom/internal/reference"
)

// plant is a running pipeline, with the parts that a test may break.
type plant struct {
	*world
	network    *network // between the daemons and the server
	producers  *network // between the producers and the server
	projectors []*process
	consumer   *process
	load       *load
	rows       *watch
}

// newPlant starts a number of projectors, a consumer, and a load of messages that
// goes on until recover is called.
func newPlant(t *testing.T, projectors int) *plant {
	t.Helper()
	s := ownServer(t)
	p := &plant{world: newWorld(t, s, options{}), network: newNetwork(t, s), producers: newNetwork(t, s)}
	p.startConsumer()
	p.projectors = p.group(p.network.url(), projectors)
	p.startLoad(p.producers.url())
	return p
}

// startLoad starts the load, and returns when the first messages are in the log.
func (p *plant) startLoad(url string) {
	p.t.Helper()
	p.rows = watchRows(p.world, url)
	p.load = startLoad(p.world, url)
	p.load.await(40)
}

// startProjector adds a projector.
func (p *plant) startProjector() {
	p.t.Helper()
	p.projectors = append(p.projectors, p.projector(p.network.url()))
}

// takeReader removes the projector that reads from the plant, for a test to break.
func (p *plant) takeReader() *process {
	p.t.Helper()
	reader := p.reader(p.projectors...)
	p.projectors = without(p.projectors, reader)
	return reader
}

func (p *plant) startConsumer() {
	p.t.Helper()
	p.consumer = p.world.consumer(p.network.url(), "--visibility", "5s")
}

// recover is to be called when the fault is over: it waits until everything
// posted up to now is projected and notified, and says how long that took.
func (p *plant) recover() {
	p.t.Helper()
	since := time.Now()
	p.load.end()
	p.settle()
	p.t.Logf("RECOVERY %s: %.1f s", p.t.Name(), time.Since(since).Seconds())
}

// mostMemory is the most memory that a daemon may need, in MB.
const mostMemory = 200

// quiet waits until the daemons say that all incidents are over, stops them
// gracefully, and checks everything.
func (p *plant) quiet() {
	p.t.Helper()
	p.rows.end()
	for _, d := range p.daemons() {
		d.quietened()
		mb := d.peak()
		d.stop()
		p.t.Logf("%s had %d MB, and said:\n%s", d.name, mb, strings.Join(d.log.all(), "\n"))
		if mb > mostMemory {
			p.t.Errorf("%s had %d MB, more than %d", d.name, mb, mostMemory)
		}
	}
	p.check()
}

// undisturbed is quiet, and expects that no call of the remaining daemons failed.
func (p *plant) undisturbed() {
	p.t.Helper()
	p.quiet()
	for _, d := range p.daemons() {
		d.undisturbed()
	}
}

// daemons are the processes that should be running.
func (p *plant) daemons() []*process {
	return append(p.projectors[:len(p.projectors):len(p.projectors)], p.consumer)
}

// load is a stream of messages during a test.
type load struct {
	w    *world
	stop chan struct{}
	done chan struct{}

	all  int
	mu   sync.Mutex
	sent int
	came chan struct{} // closed at the next batch
}

// The pace of a load.
const (
	loadBatch = 16
	loadPause = 250 * time.Millisecond
)

// startLoad posts real conversations to a URL, and one that has more members than
// one transaction takes.
func startLoad(w *world, url string) *load {
	w.t.Helper()
	l := &load{w: w, stop: make(chan struct{}), done: make(chan struct{}), came: make(chan struct{})}
	messages := mixed(realMessages(w.t, mostMessages), crowd(120, 40))
	l.all = len(messages)
	go func() {
		defer close(l.done)
		for batch := range slices.Chunk(messages, loadBatch) {
			if err := w.tryPost(url, batch); err != nil {
				w.t.Errorf("post: %v", err)
				return
			}
			l.count(len(batch))
			select {
			case <-l.stop:
				return
			case <-time.After(loadPause):
			}
		}
	}()
	w.t.Cleanup(l.end)
	return l
}

// mixed inserts one of the few after every ten of the many.
func mixed(many, few []reference.Message) []reference.Message {
	var out []reference.Message
	for i, m := range many {
		if i%10 == 0 && i/10 < len(few) {
			out = append(out, few[i/10])
		}
		out = append(out, m)
	}
	return out
}

func (l *load) count(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent += n
	close(l.came)
	l.came = make(chan struct{})
}

// more returns once n more messages are in the log, or all of them.
func (l *load) more(n int) {
	l.w.t.Helper()
	l.mu.Lock()
	n = min(l.sent+n, l.all)
	l.mu.Unlock()
	l.await(n)
}

// await returns once n messages are in the log.
func (l *load) await(n int) {
	l.w.t.Helper()
	for {
		l.mu.Lock()
		sent, came := l.sent, l.came
		l.mu.Unlock()
		if sent >= n {
			return
		}
		if err := await(l.w.t.Context(), "messages to come in", came); err != nil {
			l.w.t.Fatal(err)
		}
	}
}

// end stops the load, and returns once its last batch is in the log.
func (l *load) end() {
	select {
	case <-l.stop:
	default:
		close(l.stop)
	}
	<-l.done
}
