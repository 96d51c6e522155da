package membership

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/conditional"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/stream/internal/lease"
)

// MaxGroups is how many groups may read a stream at once.
// Source: DynamoDB developer guide, quotas: "DynamoDB Streams supports up to two
// processes reading from the same stream's shard at the same time".
const MaxGroups = 2

const (
	readersSK = "READERS"

	attrGroups = "groups"
)

// ErrNoPlace says that another group reads the stream in the place of this one, which it
// took for dead.
var ErrNoPlace = errors.New("another group has the place of this one among the stream's readers")

// ReadersKey is where the name of the group is that reads a stream beside the default one. It is in the
// partition of the default group.
func ReadersKey(arn string) backend.Key {
	return backend.Key{PK: lease.GroupID{ARN: arn, Name: lease.DefaultGroup}.Partition(), SK: readersSK}
}

// Readers is the item that names the group that may read a stream beside the default one.
type Readers struct {
	Groups  []string // at most MaxGroups, and none twice; the default one counts for nothing
	Session string   // that wrote it
	SetAt   time.Time

	damage
}

// Encode returns the readers of a stream as an item.
func (r Readers) Encode(arn string) backend.Item {
	it := item.New(ReadersKey(arn), format)
	it[attrGroups], it[attrSession], it[attrSetAt] = item.String(strings.Join(r.Groups, " ")), item.String(r.Session), item.Time(r.SetAt)
	return it
}

// DecodeReaders reads the readers of a stream from their item. A damaged item says so;
// the error is that of a newer format.
func DecodeReaders(it backend.Item) (Readers, error) {
	d := item.Decode(it, format)
	r := Readers{Groups: strings.Split(d.String(attrGroups), " "), Session: d.String(attrSession), SetAt: d.Time(attrSetAt)}
	different := slices.Compact(slices.Sorted(slices.Values(r.Groups)))
	d.Check(attrGroups, len(different) == len(r.Groups) && len(r.Groups) <= MaxGroups && !slices.Contains(r.Groups, ""),
		fmt.Sprintf("it must name one to %d groups", MaxGroups))
	damaged, err := d.Damage()
	if damaged != nil {
		r.Groups = nil
	}
	r.damage = damage{damaged, it}
	return r, err
}

// other is the group that has the place that the default one does not need; empty: none.
func (r Readers) other() string {
	for _, name := range r.Groups {
		if name != lease.DefaultGroup {
			return name
		}
	}
	return ""
}

func (r Readers) unchanged() backend.Condition {
	switch {
	case r.Damaged != nil:
		return item.Same(r.as)
	case len(r.Groups) == 0:
		return backend.Condition{Absent: true}
	}
	return backend.Condition{Equals: backend.Item{
		attrGroups: item.String(strings.Join(r.Groups, " ")), attrSession: item.String(r.Session),
	}}
}

// GroupsError says that a group cannot read the stream, since another reads it beside the
// default group.
type GroupsError struct {
	Group  string
	Other  string // the group that reads the stream
	Worker string // one of its workers, which is alive
}

func (e *GroupsError) Error() string {
	return fmt.Sprintf("group %s: %d groups may read a stream at once, %s and one other, and group %s does already: stop its workers first (%s is alive)",
		e.Group, MaxGroups, lease.DefaultGroup, e.Other, e.Worker)
}

// Places is how a session gets a place among the readers of its stream for its group. One
// is the default group's for good: nobody else can keep it out. One goroutine uses it.
type Places struct {
	Member
	heartbeat *Heartbeat
	watch     *Watch // of the group that has the other place
	watches   string // its name
}

// NewPlaces returns the places as a session sees them that has just sent its first
// heartbeat.
func NewPlaces(h *Heartbeat) *Places { return &Places{Member: h.Member, heartbeat: h} }

// Readers reads which group may read the stream beside the default one; the zero value if none has.
func (m Member) Readers(ctx context.Context) (Readers, error) {
	it, err := m.Table.Get(ctx, ReadersKey(m.ID.ARN))
	if err != nil || it == nil {
		return Readers{}, err
	}
	return DecodeReaders(it)
}

// Take takes a place for the group, and reports whether the group has one then; false:
// look again. It takes that of a group whose heartbeats all stood still for the lease
// duration. The error is a *[GroupsError] once the one that has it has shown that it lives.
func (p *Places) Take(ctx context.Context) (bool, error) {
	if p.ID.Name == lease.DefaultGroup {
		return true, nil
	}
	r, err := p.Readers(ctx)
	if err != nil || slices.Contains(r.Groups, p.ID.Name) {
		return err == nil, err
	}
	other := r.other()
	if other == "" {
		return p.write(ctx, r)
	}
	if err := p.heartbeat.Beat(ctx); err != nil { // nobody else does it yet
		return false, err
	}
	if p.watches != other {
		member := p.Member
		member.ID.Name = other
		p.watch, p.watches = NewWatch(member), other
	}
	alive, silent, err := p.watch.Look(ctx)
	switch {
	case err != nil:
		return false, err
	case alive != "":
		return false, &GroupsError{Group: p.ID.Name, Other: other, Worker: alive}
	case silent:
		return p.write(ctx, r)
	}
	return false, nil
}

// Keep looks whether the group still has its place. It takes a free one if not, since
// the item may have been deleted. The error is [ErrNoPlace] if there is none.
func (p *Places) Keep(ctx context.Context) error {
	if p.ID.Name == lease.DefaultGroup {
		return nil
	}
	r, err := p.Readers(ctx)
	if err != nil || slices.Contains(r.Groups, p.ID.Name) {
		return err
	}
	if r.other() != "" {
		return ErrNoPlace
	}
	_, err = p.write(ctx, r)
	return err // if another was faster, the next look tells
}

// write gives the group its place if the item is still there, and reports whether it was.
func (p *Places) write(ctx context.Context, r Readers) (bool, error) {
	next := Readers{Groups: []string{p.ID.Name}, Session: p.Self.Session, SetAt: p.Now()}
	found, err := conditional.Put(ctx, p.Table, next.Encode(p.ID.ARN), r.unchanged(), DecodeReaders)
	if err == nil && found == nil && r.Damaged != nil {
		p.Aside.Replaced(r.Damaged)
	}
	return err == nil && found == nil, err
}
