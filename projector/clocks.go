package projector

import (
	"log/slog"
	"sync"
	"time"

	"github.com/postroom/postroom"
)

const (
	// recordPrecision is that of the time at which the stream says that a record was
	// made.
	recordPrecision = time.Second
	// clockPause is how long further messages from the future are only counted after
	// one was logged.
	clockPause = 10 * time.Minute
)

// clocks compares the times that producers give their messages with two other clocks:
// the stream's and this machine's. A message is from the future if it is so by both, so
// neither of them, if it is wrong, makes it so. Such a message is projected like any
// other, and stays on top of lists until its time has come. It is safe for concurrent
// use.
type clocks struct {
	now func() time.Time
	log *slog.Logger

	mu       sync.Mutex
	future   int64     // messages
	unlogged int64     // of them, since the last that was logged
	logged   time.Time // when that was
}

// compare looks at a message whose record the stream says was made at a time; zero: it
// does not come from the stream.
func (c *clocks) compare(m postroom.Message, recorded time.Time) {
	now := c.now()
	latest := now
	if recorded = recorded.Add(recordPrecision); recorded.After(latest) {
		latest = recorded
	}
	ahead := m.CreatedAt.Sub(latest)
	if ahead <= postroom.MaxClockSkew {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.future++
	if now.Before(c.logged.Add(clockPause)) && !now.Before(c.logged) {
		c.unlogged++
		return
	}
	c.log.Warn("a message is from the future: the clock of its producer is wrong. It stays on top of its members' lists, and hides replies, until then",
		"message_group_uuid", m.GroupUUID, "key", m.Key(), "user_uuid", m.UserUUID,
		"ahead", ahead.Round(time.Second).String(), "more_since_last_said", c.unlogged)
	c.logged, c.unlogged = now, 0
}

// total is how many messages were from the future when they were read.
func (c *clocks) total() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.future
}
