package integration

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postroom/postroom/internal/reference"
)

// plant is a pipeline at work, and what may be broken of it.
type plant struct {
	*world
	network    *network // between the daemons and the server
	producers  *network // between the producers and the server
	projectors []*process
	consumer   *process
	load       *load
	rows       *watch
}

// newPlant starts so many projectors and a consumer, and messages that come in
// until recover is called.
func newPlant(t *testing.T, projectors int) *plant {
	t.Helper()
	s := ownServer(t)
	p := &plant{world: newWorld(t, s, options{}), network: newNetwork(t, s), producers: newNetwork(t, s)}
	p.startConsumer()
	p.projectors = p.group(p.network.url(), projectors)
	p.startLoad(p.producers.url())
	return p
}

// startLoad returns when messages come in.
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

// takeReader takes the projector that reads out of the plant, for a fault of it.
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

// mostMemory is what a daemon may need at most, in MB.
const mostMemory = 200

// quiet waits until the daemons say of whatever was wrong that it is over, stops
// them in peace, and checks all there is to check.
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

// undisturbed is quiet after a fault that fails no call of those who go on.
func (p *plant) undisturbed() {
	p.t.Helper()
	p.quiet()
	for _, d := range p.daemons() {
		d.undisturbed()
	}
}

// daemons are those that are to be at work.
func (p *plant) daemons() []*process {
	return append(p.projectors[:len(p.projectors):len(p.projectors)], p.consumer)
}

// load is messages that come in all the while.
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

// startLoad posts real conversations, and one of more members than one
// transaction takes, by way of a URL.
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

// mixed puts one of the few after each ten of the many.
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

// more returns once so many more messages are in the log, or all there are.
func (l *load) more(n int) {
	l.w.t.Helper()
	l.mu.Lock()
	n = min(l.sent+n, l.all)
	l.mu.Unlock()
	l.await(n)
}

// await returns once so many messages are in the log.
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

// end returns once everything that was begun is in the log.
func (l *load) end() {
	select {
	case <-l.stop:
	default:
		close(l.stop)
	}
	<-l.done
}
