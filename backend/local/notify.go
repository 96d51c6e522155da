package local

import (
	"sync"
	"time"
)

// How often the file is looked at for changes of other processes: at busyLook
// until nothing has changed for busyFor, then twice as long each time.
const (
	busyLook = 5 * time.Millisecond
	idleLook = 250 * time.Millisecond
	busyFor  = time.Second
)

// notifier wakes those who wait for a change, topic by topic. While anybody
// waits it also watches for changes made by other processes, if it can.
type notifier struct {
	// watch runs while there are waiters, in a goroutine of its own; nil: there
	// are no other processes.
	watch func()
	// version is the state of the file that was seen last. Only the watcher
	// touches it, so a change between two watchers is not missed.
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

// wake wakes everybody who waits for the topic.
func (b *Backend) wake(topic string) {
	n := &b.notifier
	n.mu.Lock()
	defer n.mu.Unlock()
	if ch := n.waiters[topic]; ch != nil {
		close(ch)
		delete(n.waiters, topic)
	}
}

// wakeAll wakes everybody.
func (n *notifier) wakeAll() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, ch := range n.waiters {
		close(ch)
	}
	clear(n.waiters)
}

// idle ends the watcher if nobody waits any more.
func (n *notifier) idle() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.waiters) == 0 {
		n.watching = false
	}
	return !n.watching
}

// close wakes everybody for good and waits for the watcher.
func (n *notifier) close() {
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	n.wakeAll()
	n.watchers.Wait()
}

// watch wakes everybody whenever another connection has changed the file.
func (b *Backend) watch() {
	quiet := time.NewTimer(busyLook)
	defer quiet.Stop()
	pause, busyLeft := busyLook, busyFor
	for {
		select {
		case <-b.done:
			return
		case <-quiet.C:
		}
		version, err := b.dataVersion()
		switch {
		case err != nil:
			b.notifier.wakeAll() // the waiters' own calls meet the error and report it
			pause = idleLook
		case version != b.notifier.version:
			b.notifier.version = version
			b.notifier.wakeAll()
			pause, busyLeft = busyLook, busyFor
		case busyLeft > 0:
			busyLeft -= pause
		default:
			pause = min(2*pause, idleLook)
		}
		if b.notifier.idle() {
			return
		}
		quiet.Reset(pause)
	}
}

// dataVersion is a number that changes when another connection changes the
// file. It is asked on the writing connection, so own commits do not count.
func (b *Backend) dataVersion() (int64, error) {
	select {
	case <-b.done:
		return 0, errClosed
	case c := <-b.writer:
		defer func() { b.writer <- c }()
		t := &tx{c: c}
		var version int64
		_, err := t.row("PRAGMA data_version", nil, &version)
		return version, err
	}
}
