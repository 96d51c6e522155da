package projector

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/stream"
)

// entry is one message on its way through the projector. It is acknowledged
// once it is projected and everybody who is to be told of it is.
type entry struct {
	message postroom.Message
	record  *stream.Record // also of one from the log; nil for one that comes back from being set aside
	quiet   bool           // nobody is to be told; of the lane
	aside   *waiting       // where one lies that was set aside before
	arrived time.Time
	ack     func()
	cleanup func() error // before the acknowledgement of one that got through; may be nil

	behind    bool         // was found not to be projected; of the lane
	met       bool         // its conversation was looked at since it came; of the lane
	announced bool         // handed to the notifier; of the lane
	kept      bool         // set aside, and not given up yet; of the lane
	refused   atomic.Bool  // does not get through, is set aside and stays there
	parts     atomic.Int32 // left of projecting, telling, and others it waits for
	untold    atomic.Int32 // recipients left
}

func newEntry(m postroom.Message, r *stream.Record, ack func()) *entry {
	e := &entry{message: m, record: r, arrived: time.Now(), ack: ack}
	e.parts.Store(2)
	return e
}

// recovered reports whether e was read from the log: what comes from the stream
// goes first.
func (e *entry) recovered() bool { return e.record != nil && fromLog(e.record) }

// seenBefore reports whether e is said to be projected already by what is
// remembered of its conversation. That is looked at again: the table may have been
// replaced by an older one since. And who had the message before may have set it
// aside, and died before it was taken away there.
func (e *entry) seenBefore(c *conversation) bool {
	return !e.met && e.record != nil && e.aside == nil && c.at(e.message.Position())
}

// finish ends one of the parts. Without its clean-up, which fails only at a
// stop, a message is not acknowledged.
func (e *entry) finish() {
	if e.parts.Add(-1) > 0 {
		return
	}
	if e.cleanup != nil && !e.refused.Load() && e.cleanup() != nil {
		return
	}
	e.ack()
}

// is reports whether e stands for what lies set aside: one that is announced
// quietly does not tell those who are owed it.
func (e *entry) is(w *waiting) bool {
	return e.message.Position() == w.message.Position() && (e.lies(w) || !e.announced || !e.quiet || w.quiet)
}

func (e *entry) lies(w *waiting) bool { return e.aside != nil && e.aside.keys[0] == w.keys[0] }

// asideToo notes that the message of e lies set aside as well. It is taken away
// there once e got through, and everybody is owed what they were owed of it.
func (e *entry) asideToo(w *waiting, remove func() error) {
	if e.lies(w) {
		return
	}
	if e.announced { // whoever sends it may be looking at the rest
		e.cleanup = remove
		return
	}
	before := e.cleanup
	e.cleanup = func() error {
		if before != nil {
			if err := before(); err != nil {
				return err
			}
		}
		return remove()
	}
	e.aside = w
	e.quiet = e.quiet && w.quiet
}

// drop ends what the lane had to do for one that does not get through.
func (e *entry) drop() {
	e.refused.Store(true)
	if !e.announced {
		e.finish()
	}
	e.finish()
}

// told ends the telling of one recipient.
func (e *entry) told() {
	if e.untold.Add(-1) == 0 {
		e.finish()
	}
}

// newest is the fold: of all messages of a conversation only the last one by
// time and uuid decides where its rows are to be. There must be one.
func newest(entries []*entry) postroom.Message {
	return slices.MaxFunc(entries, func(a, b *entry) int {
		return a.message.Position().Compare(b.message.Position())
	}).message
}
