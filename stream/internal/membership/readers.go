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

// ErrNoPlace says that other groups read the stream in the place of this one, which they
// took for dead.
var ErrNoPlace = errors.New("other groups have the places of this stream's readers")

// ReadersKey is where the names of the groups are that read a stream. It is in the
// partition of the default group.
func ReadersKey(arn string) backend.Key {
	return backend.Key{PK: lease.GroupID{ARN: arn, Name: lease.DefaultGroup}.Partition(), SK: readersSK}
}

// Readers is the item that names the groups that may read a stream.
type Readers struct {
	Groups  []string // at most MaxGroups, and none twice
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

// GroupsError says that a group cannot read the stream, since as many others read it as
// may at once.
type GroupsError struct {
	Group   string
	Others  []string // that read the stream
	Workers []string // one of each that is alive
}

func (e *GroupsError) Error() string {
	return fmt.Sprintf("group %s: groups %s read this stream already, and at most %d may at once: stop one of them (%s are alive)",
		e.Group, strings.Join(e.Others, " and "), MaxGroups, strings.Join(e.Workers, " and "))
}

// Places is how a session gets a place among the readers of its stream for its group.
// One goroutine uses it.
type Places struct {
	Member
	heartbeat *Heartbeat
	others    map[string]*Watch
	alive     map[string]string // a worker of each other group that has shown that it lives
}

// NewPlaces returns the places as a session sees them that has just sent its first
// heartbeat.
func NewPlaces(h *Heartbeat) *Places {
	return &Places{Member: h.Member, heartbeat: h, others: map[string]*Watch{}, alive: map[string]string{}}
}

// Readers reads which groups may read the stream; the zero value if none has.
func (m Member) Readers(ctx context.Context) (Readers, error) {
	it, err := m.Table.Get(ctx, ReadersKey(m.ID.ARN))
	if err != nil || it == nil {
		return Readers{}, err
	}
	return DecodeReaders(it)
}

// Take takes a place for the group, and reports whether the group has one then; false:
// look again. It takes that of a group whose heartbeats all stood still for the lease
// duration. The error is a *[GroupsError] once those that have the places have shown
// that they live.
func (p *Places) Take(ctx context.Context) (bool, error) {
	r, err := p.Readers(ctx)
	if err != nil || slices.Contains(r.Groups, p.ID.Name) {
		return err == nil, err
	}
	if len(r.Groups) < MaxGroups {
		return p.write(ctx, r, append(slices.Clone(r.Groups), p.ID.Name))
	}
	if err := p.heartbeat.Beat(ctx); err != nil { // nobody else does it yet
		return false, err
	}
	refused := &GroupsError{Group: p.ID.Name, Others: r.Groups}
	for i, name := range r.Groups {
		if p.others[name] == nil {
			other := p.Member
			other.ID.Name = name
			p.others[name] = NewWatch(other)
		}
		lives, silent, err := p.others[name].Look(ctx)
		switch {
		case err != nil:
			return false, err
		case silent:
			next := slices.Clone(r.Groups)
			next[i] = p.ID.Name
			return p.write(ctx, r, next)
		case lives != "":
			p.alive[name] = lives
		}
		if p.alive[name] != "" {
			refused.Workers = append(refused.Workers, p.alive[name])
		}
	}
	if len(refused.Workers) == len(r.Groups) {
		return false, refused
	}
	return false, nil
}

// Keep looks whether the group still has its place. It takes a free one if not, since
// the item may have been deleted. The error is [ErrNoPlace] if there is none.
func (p *Places) Keep(ctx context.Context) error {
	r, err := p.Readers(ctx)
	if err != nil || slices.Contains(r.Groups, p.ID.Name) {
		return err
	}
	if len(r.Groups) == MaxGroups {
		return ErrNoPlace
	}
	_, err = p.write(ctx, r, append(slices.Clone(r.Groups), p.ID.Name))
	return err // if another was faster, the next look tells
}

// write replaces the item if it is still there, and reports whether it was.
func (p *Places) write(ctx context.Context, r Readers, groups []string) (bool, error) {
	slices.Sort(groups)
	next := Readers{Groups: groups, Session: p.Self.Session, SetAt: p.Now()}
	found, err := conditional.Put(ctx, p.Table, next.Encode(p.ID.ARN), r.unchanged(), DecodeReaders)
	if err == nil && found == nil && r.Damaged != nil {
		p.Aside.Replaced(r.Damaged)
	}
	return err == nil && found == nil, err
}
