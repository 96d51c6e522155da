package projector_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/views"
)

// checker looks at every write and every message sent.
type checker struct {
	world      *world
	violations []string

	messages map[backend.Key]*posted
	members  map[string][]postroom.Member // by conversation
	byID     map[string]*posted           // by the ids of notifications
	rows     map[string]int               // of each user and conversation
	hurt     map[string]bool              // those of which somebody took a row, until a worker puts one
	damaged  map[string]bool              // conversations of which somebody damaged the head or a row
	rivals   map[string]bool              // conversations that several messages open
	heads    map[string]backend.Item
	born     map[string]time.Time // when each life of a projector began
	gone     map[string]bool      // workers that were told to stop, or died
	controls map[string]*control
}

// posted is a message that was posted.
type posted struct {
	postroom.Message

	at       time.Time
	stream   string         // the table's then; empty: it was switched off
	passed   time.Time      // when the group's checkpoint first went past its record
	notified map[string]int // how often each of its notifications was sent; nil: not for the members
}

func newChecker(w *world) *checker {
	return &checker{
		world: w, messages: map[backend.Key]*posted{}, members: map[string][]postroom.Member{}, byID: map[string]*posted{}, rows: map[string]int{},
		hurt: map[string]bool{}, damaged: map[string]bool{}, rivals: map[string]bool{},
		heads: map[string]backend.Item{}, born: map[string]time.Time{}, gone: map[string]bool{}, controls: map[string]*control{},
	}
}

// violation notes that something is wrong. Only the first one counts: what
// comes after it may follow from it.
func (c *checker) violation(format string, args ...any) {
	c.violations = append(c.violations, fmt.Sprintf(format, args...))
	c.world.sched.Note("VIOLATION "+format, args...)
}

// expect notes a message that is about to be posted in a conversation of these
// members; nil: its head decides who they are.
func (c *checker) expect(m postroom.Message, members []postroom.Member) {
	p := &posted{Message: m, at: time.Now(), stream: c.world.store.StreamARN(tableName)}
	c.messages[backend.Key{PK: m.GroupUUID, SK: m.Key()}] = p
	if members != nil {
		c.members[m.GroupUUID] = members
	} else {
		c.rivals[m.GroupUUID] = true
	}
	c.expectNotified(p)
}

// opened notes who the members of a conversation are, for good.
func (c *checker) opened(group, by string) {
	opening := c.messages[backend.Key{PK: group, SK: by}]
	if c.members[group] == nil {
		c.members[group] = opening.Members
	}
	if !sameMembers(c.members[group], opening.Members) {
		c.violation("conversation %s is opened by %s, which claims it for others", group, by)
	}
	for _, p := range c.messages {
		if p.GroupUUID == group && p.notified == nil {
			c.expectNotified(p)
		}
	}
}

// expectNotified notes who is to be notified of a message: nobody where it is somebody
// else's, or not known yet whose.
func (c *checker) expectNotified(p *posted) {
	members := c.members[p.GroupUUID]
	member := func(m postroom.Member) bool { return m.UserUUID == p.UserUUID }
	if !slices.ContainsFunc(members, member) || p.Members != nil && !sameMembers(p.Members, members) {
		return
	}
	p.notified = map[string]int{}
	for _, r := range postroom.Recipients(members, p.UserUUID) {
		id := postroom.NotificationID(p.Message, r)
		p.notified[id] = 0
		c.byID[id] = p
	}
}

func sameMembers(a, b []postroom.Member) bool {
	users := func(members []postroom.Member) map[string]bool {
		set := map[string]bool{}
		for _, m := range members {
			set[m.UserUUID] = true
		}
		return set
	}
	return maps.Equal(users(a), users(b))
}

func (c *checker) wrote(by, table string, before, after backend.Item) {
	key := backend.KeyOf(before)
	if before == nil {
		key = backend.KeyOf(after)
	}
	if table != tableName {
		c.control(table).wrote(by, key, before, after)
		return
	}
	_, _, row := postroom.ParseInboxKey(key.PK)
	switch {
	case key == views.Key():
		c.world.viewer.changed(after)
	case key.SK == postroom.HeadKey:
		c.wroteHead(by, key.PK, before, after)
	case !row:
		if before != nil {
			c.violation("message %v was changed", key)
		}
	default:
		c.wroteRow(by, key, before, after)
	}
}

// wroteHead looks at a change of a head. By is empty if it is damaged.
func (c *checker) wroteHead(by, group string, before, after backend.Item) {
	c.heads[group] = after
	if c.world.viewer != nil {
		c.world.viewer.dirty[group] = true
	}
	if by == "" {
		return
	}
	if before != nil && (after == nil || compareHeads(before, after) > 0 && c.atMessage(group, before)) {
		c.violation("the head of %s went back", group)
	}
	switch opener := backend.Text(after, "opened_by"); {
	case before == nil:
		c.opened(group, opener)
	case opener != backend.Text(before, "opened_by"):
		c.violation("the members of %s are others, those of %s", group, opener)
	}
}

// atMessage reports whether a head is at a message of the log, as all are that nobody
// has damaged.
func (c *checker) atMessage(group string, head backend.Item) bool {
	at := postroom.MessagePrefix + backend.Text(head, "last_reply_at") + "#" + backend.Text(head, "last_message_uuid")
	return c.messages[backend.Key{PK: group, SK: at}] != nil
}

// wroteRow looks at a change of a row. By is empty if it is damaged.
func (c *checker) wroteRow(by string, key backend.Key, before, after backend.Item) {
	_, group, _ := postroom.ParseRowKey(key.SK)
	owner := key.PK + " " + group
	if c.world.viewer != nil {
		c.world.viewer.dirty[group] = true
	}
	if after != nil && by != "" {
		c.hurt[owner] = false
	}
	if before == nil {
		c.rows[owner]++
	}
	if after != nil {
		return
	}
	c.rows[owner]--
	if by == "" {
		c.hurt[owner] = true
	}
	view, user, _ := postroom.ParseInboxKey(key.PK)
	member := func(m postroom.Member) bool { return m.UserUUID == user }
	if c.rows[owner] == 0 && c.world.viewer.shows(view) && !c.hurt[owner] && slices.ContainsFunc(c.members[group], member) {
		c.violation("%s has no row any more", owner)
	}
}

func compareHeads(a, b backend.Item) int {
	return cmp.Or(
		cmp.Compare(backend.Text(a, "last_reply_at"), backend.Text(b, "last_reply_at")),
		cmp.Compare(backend.Text(a, "last_message_uuid"), backend.Text(b, "last_message_uuid")),
	)
}

// projected reports whether the rows of its conversation are at a message or
// further.
func (c *checker) projected(p *posted) bool {
	if c.damaged[p.GroupUUID] {
		return true // or it was
	}
	head := c.heads[p.GroupUUID]
	return head != nil && cmp.Or(
		cmp.Compare(backend.Text(head, "last_reply_at"), postroom.FormatTime(p.CreatedAt)),
		cmp.Compare(backend.Text(head, "last_message_uuid"), p.MessageUUID),
	) >= 0
}

// done reports whether all that a record of a message asks for is done.
func (c *checker) done(ctl *control, p *posted) bool {
	if ctl.quarantined[backend.Key{PK: p.GroupUUID, SK: p.Key()}] {
		return true
	}
	if p.notified == nil || !c.projected(p) {
		return false
	}
	for _, n := range p.notified {
		if n == 0 {
			return false
		}
	}
	return true
}

// send looks at a message that the queue accepted.
func (c *checker) send(by, _ string, e backend.SendEntry) {
	p := c.byID[e.DeduplicationID]
	if p == nil {
		c.violation("a notification nobody was to get: %s", e.Body)
		return
	}
	if p.notified[e.DeduplicationID] > 0 {
		c.control("control").resent(by, p)
	}
	p.notified[e.DeduplicationID]++
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func cloneItem(item backend.Item) backend.Item { return maps.Clone(item) }
