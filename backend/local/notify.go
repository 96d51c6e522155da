package local

import (
	"context"
	"sync"
	"time"
)

// How often the file is checked for changes by other processes: every busyInterval
// until nothing has changed for busyFor, then at intervals that double up to
// idleInterval.
const (
	busyInterval = 5 * time.Millisecond
	idleInterval = 250 * time.Millisecond
	busyFor      = time.Second
)

// notifier wakes the callers that wait for a change of a topic. While there are
// waiters it also watches for changes by other processes, if there can be any.
type notifier struct {
	// watch runs in a goroutine of its own while there are waiters; nil: no other
	// process can open the file.
	watch func()
	// version is the last state of the file that a watcher has seen. It is kept
	// between two watchers, so that no change is missed.
	version int64

	mu       sync.Mutex
	waiters  map[string]chan struct{}
	watching bool
	closed   bool
	watchers sync.WaitGroup
}

// Topics that can be waited for.
func tableTopic(name string) string { return "table " + name }
func queueTopic(name string) string { return "queue " + name }

// changed returns a channel that is closed at the next change of the topic, or
// when the backend is closed.
func (b *Backend) changed(topic string) <-chan struct{} {
	n := &b.notifier
	n.mu.Lock()
	defer n.mu.Unlock()
	ch := n.waiters[topic]
	if ch != nil {
		return ch
	}
	ch = make(chan struct{})
	if n.closed {
		close(ch)
		return ch
	}
	if n.waiters == nil {
		n.waiters = make(map[string]chan struct{})
	}
	n.waiters[topic] = ch
	if n.watch != nil && !n.watching {
		n.watching = true
		n.watchers.Go(n.watch)
	}
	return ch
}

// wake wakes the waiters of a topic.
func (b *Backend) wake(topic string) {
	n := &b.notifier
	n.mu.Lock()
	defer n.mu.Unlock()
	if ch := n.waiters[topic]; ch != nil {
		close(ch)
		delete(n.waiters, topic)
	}
}

// wakeAll wakes all waiters.
func (n *notifier) wakeAll() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, ch := range n.waiters {
		close(ch)
	}
	clear(n.waiters)
}

// idle reports whether the watcher may end, since there are no waiters.
func (n *notifier) idle() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.waiters) == 0 {
		n.watching = false
	}
	return !n.watching
}

// close wakes all waiters, those to come too, and waits for the watcher to end.
func (n *notifier) close() {
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	n.wakeAll()
	n.watchers.Wait()
}

// watch wakes all waiters whenever another connection has changed the file.
func (b *Backend) watch() {
	quiet := time.NewTimer(busyInterval)
	defer quiet.Stop()
	pause, busyLeft := busyInterval, busyFor
	for {
		select {
		case <-b.done:
			return
		case <-quiet.C:
		}
		version, err := b.dataVersion()
		switch {
		case err != nil:
			b.notifier.wakeAll() // the waiters' own calls report the error
			pause = idleInterval
		case version != b.notifier.version:
			b.notifier.version = version
			b.notifier.wakeAll()
			pause, busyLeft = busyInterval, busyFor
		case busyLeft > 0:
			busyLeft -= pause
		default:
			pause = min(2*pause, idleInterval)
		}
		if b.notifier.idle() {
			return
		}
		quiet.Reset(pause)
	}
}

// dataVersion returns a number that changes when another connection changes the
// file. The writing connection reads it, so the process's own commits do not count.
func (b *Backend) dataVersion() (int64, error) {
	c, err := b.acquire(context.Background(), b.writer)
	if err != nil {
		return 0, err
	}
	defer func() { b.writer <- c }()
	var version int64
	_, err = (&tx{c: c}).row("PRAGMA data_version", nil, &version)
	return version, err
}
