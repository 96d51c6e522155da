package stream

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// childLookups is how often the children of a finished shard are looked for at
// once before the periodic listing has to find them. Source: the KCL adapter.
const childLookups = 10

// forgetAfter is how long a finished shard is remembered: it can be listed for
// longer than the 24 hours of its records. Source: Flink's connector.
const forgetAfter = 48 * time.Hour

// forest is what is known of the shards and their descent. It decides what may
// be read when, and calls nobody.
type forest struct {
	mu       sync.Mutex
	shards   map[string]*node
	complete bool // the latest listing had all its pages
	disabled bool
	first    bool // nobody read this stream before, and no listing is complete yet
}

// node is one shard.
type node struct {
	lease    lease // as it was when the reader started; epoch 0: none
	listed   bool  // in the latest complete listing
	original bool  // was there at the first start: its beginning may be gone
	orphan   bool  // its parent is gone and was never read here
	begun    bool
	finished bool
	lookups  int       // left to find its children
	tip      time.Time // since when it is read to its open tip; zero: it is not
	children int       // known children
}

func newForest(known []lease) *forest {
	f := &forest{shards: make(map[string]*node), first: len(known) == 0}
	for _, l := range known {
		f.shards[l.shard] = &node{lease: l, finished: l.finished}
	}
	for _, n := range f.shards {
		f.adopt(n)
	}
	for _, n := range f.shards {
		if n.finished && n.children == 0 {
			n.lookups = childLookups // the last reader may have stopped before it found them
		}
	}
	return f
}

// adopt tells a node's parent that it is there.
func (f *forest) adopt(n *node) {
	if p := f.shards[n.lease.parent]; p != nil {
		p.children++
	}
}

// merge adds what a listing found and returns how many shards were new.
func (f *forest) merge(l listing) (added int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if l.complete {
		for _, n := range f.shards {
			n.listed = false
		}
	}
	var fresh []*node
	for _, s := range l.shards {
		n := f.shards[s.ID]
		if n == nil {
			n = &node{lease: lease{shard: s.ID, parent: s.Parent}, original: f.first}
			f.shards[s.ID] = n
			fresh = append(fresh, n)
		}
		n.listed = true
	}
	for _, n := range fresh {
		f.adopt(n)
	}
	for _, n := range f.shards {
		if n.lookups > 0 && (n.children > 0 || l.disabled) {
			n.lookups = 0
		} else if n.lookups > 0 && l.complete {
			n.lookups--
		}
	}
	f.complete, f.disabled = l.complete, l.disabled
	f.first = f.first && (!l.complete || len(f.shards) == 0)
	return len(fresh)
}

// begin returns the shards that may be read now, and counts them as begun.
func (f *forest) begin() (ready []*node) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range f.shards {
		if !n.begun && !n.finished && f.parentDone(n) {
			n.begun = true
			n.orphan = n.lease.parent != "" && f.shards[n.lease.parent] == nil && n.lease.epoch == 0 && !n.original
			ready = append(ready, n)
		}
	}
	slices.SortFunc(ready, func(a, b *node) int { return cmp.Compare(a.lease.shard, b.lease.shard) })
	return ready
}

// parentDone reports whether a shard's turn has come. A parent that is neither
// listed nor remembered is gone and blocks nobody, but only a complete listing
// can say so.
func (f *forest) parentDone(n *node) bool {
	if n.lease.parent == "" {
		return true
	}
	if p := f.shards[n.lease.parent]; p != nil {
		return p.finished
	}
	return f.complete
}

// finish notes that a shard is durably done.
func (f *forest) finish(n *node, at time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n.finished, n.lease.finishedAt = true, at
	if n.children == 0 && !f.disabled {
		n.lookups = childLookups
	}
}

// expecting reports whether a finished shard's children are not found yet and
// should be looked for at once.
func (f *forest) expecting() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range f.shards {
		if n.lookups > 0 {
			return true
		}
	}
	return len(f.shards) == 0
}

// atTip notes that a shard was read to its open tip, or that it was not.
func (f *forest) atTip(n *node, tip bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case !tip:
		n.tip = time.Time{}
	case n.tip.IsZero():
		n.tip = time.Now()
	}
}

// hasChild reports whether a shard is known to have been split or rolled.
func (f *forest) hasChildren(n *node) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return n.children > 0
}

// idleSince returns since when there is nothing to read, as far as is known.
func (f *forest) idleSince() (since time.Time, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.complete {
		return time.Time{}, false
	}
	for _, n := range f.shards {
		switch {
		case n.lookups > 0, !n.finished && n.tip.IsZero():
			return time.Time{}, false
		case !n.finished && n.tip.After(since):
			since = n.tip
		}
	}
	return since, true
}

// forgettable returns the finished shards whose leases have served: they have
// left the listing, their children are under way, and a while has passed.
func (f *forest) forgettable(now time.Time) (shards []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.complete {
		return nil
	}
	waited := make(map[string]bool)
	for _, n := range f.shards {
		if !n.begun && !n.finished {
			waited[n.lease.parent] = true
		}
	}
	for id, n := range f.shards {
		if n.finished && !n.listed && !waited[id] && n.lookups == 0 && now.Sub(n.lease.finishedAt) > forgetAfter {
			shards = append(shards, id)
		}
	}
	return shards
}

// forget drops shards.
func (f *forest) forget(shards []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range shards {
		delete(f.shards, id)
	}
}
