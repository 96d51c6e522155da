package membership

import (
	"context"
	"fmt"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/conditional"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/stream/internal/lease"
)

const (
	destinationSK = "DESTINATION"

	attrDestination = "destination"
	attrSetAt       = "set_at"
)

// DestinationKey is where the destination of a worker group is.
func DestinationKey(id lease.GroupID) backend.Key {
	return backend.Key{PK: id.Partition(), SK: destinationSK}
}

// Destination is the item that says where the workers of a group send what they read.
type Destination struct {
	lease.Owner           // the session that set it
	Text        string    // in words; empty: nobody has set one
	SetAt       time.Time // for people

	damage
}

// Encode returns the destination as an item.
func (d Destination) Encode(id lease.GroupID) backend.Item {
	it := item.New(DestinationKey(id), format)
	it[attrDestination], it[attrSetAt] = item.String(d.Text), item.Time(d.SetAt)
	it[attrWorker], it[attrSession] = item.String(d.Worker), item.String(d.Session)
	return it
}

// DecodeDestination reads a destination from its item. A damaged item is one that
// says so; the error is that of a newer format.
func DecodeDestination(it backend.Item) (Destination, error) {
	from := item.Decode(it, format)
	d := Destination{
		Owner: lease.Owner{Worker: from.String(attrWorker), Session: from.String(attrSession)},
		Text:  from.String(attrDestination), SetAt: from.Time(attrSetAt),
	}
	from.Check(attrDestination, d.Text != "", "it is empty")
	damaged, err := from.Damage()
	d.damage = damage{damaged, it}
	return d, err
}

func (d Destination) unchanged() backend.Condition {
	switch {
	case d.Damaged != nil:
		return item.Same(d.as)
	case d.Text == "":
		return backend.Condition{Absent: true}
	}
	return backend.Condition{Equals: backend.Item{
		attrDestination: item.String(d.Text), attrSession: item.String(d.Session),
	}}
}

// differs reports whether a worker with another destination must not join.
func (d Destination) differs(want string) bool {
	return d.Damaged == nil && d.Text != "" && d.Text != want
}

// DestinationError says that a worker cannot join its group, since the others send
// what they read somewhere else.
type DestinationError struct {
	Group  string // the destination of the group
	Own    string // that of the worker
	Worker string // a worker of the group that is alive
}

func (e *DestinationError) Error() string {
	return fmt.Sprintf("the worker group sends to %s, and this worker would send to %s: "+
		"give it the destination of the group, or stop all workers first to change that (%s is alive)", e.Group, e.Own, e.Worker)
}

// Destination reads the destination of the group; the zero value if there is none.
func (m Member) Destination(ctx context.Context) (Destination, error) {
	it, err := m.Table.Get(ctx, DestinationKey(m.ID))
	if err != nil || it == nil {
		return Destination{}, err
	}
	return DecodeDestination(it)
}

// MayJoin reports whether a session with this destination may join: the group has
// the same, or none, or no worker of it is alive. That takes several looks, a part of
// the lease duration apart: until then it returns false. Nothing is written. The
// error is a *[DestinationError] once a worker of the group shows that it lives.
func (g *Group) MayJoin(ctx context.Context, want string) (bool, error) {
	d, err := g.Destination(ctx)
	if err != nil || !d.differs(want) {
		return true, err
	}
	lives, silent, err := g.look(ctx, g.detector)
	if err == nil && lives != "" {
		err = &DestinationError{Group: d.Text, Own: want, Worker: lives}
	}
	return silent, err
}

// Settle makes this destination that of the group that the session has just joined,
// and reports whether it is; false: look again. Workers with two destinations may
// join at once, so each sends its heartbeat first and reads the destination then, and
// one that changes it looks for others once more. If there is another it gives way, with
// a *[DestinationError].
func (g *Group) Settle(ctx context.Context, want string) (bool, error) {
	d, err := g.Destination(ctx)
	if err != nil {
		return false, err
	}
	if d.Text == want && d.Damaged == nil && g.replaced == nil {
		return true, nil
	}
	other, err := g.other(ctx)
	switch {
	case err != nil:
		return false, err
	case other == nil && d.Text == want && d.Damaged == nil:
		g.logger.Warn("the worker group has another destination now", "destination", want, "before", g.replaced.Text)
		return true, nil
	case other == nil || d.Text == "" && d.Damaged == nil:
		return g.replace(ctx, d, want)
	case d.Damaged != nil: // they know it, and go on
		g.Aside.Set("destination", []*item.DamageError{d.Damaged})
		return true, nil
	}
	refused := &DestinationError{Group: d.Text, Own: want, Worker: other.Worker}
	if g.replaced != nil && d.Session == g.Self.Session {
		refused.Group = g.replaced.Text
		if _, err := conditional.Put(ctx, g.Table, g.replaced.Encode(g.ID), d.unchanged(), DecodeDestination); err != nil {
			return false, err
		}
	}
	return false, refused
}

// replace writes the destination in place of another, or of none.
func (g *Group) replace(ctx context.Context, d Destination, want string) (bool, error) {
	if d.differs(want) {
		g.replaced = &d
	}
	next := Destination{Owner: g.Self, Text: want, SetAt: g.Now()}
	found, err := conditional.Put(ctx, g.Table, next.Encode(g.ID), d.unchanged(), DecodeDestination)
	if err != nil || found != nil {
		return false, err
	}
	if d.Damaged != nil {
		g.Aside.Replaced(d.Damaged)
	}
	return g.replaced == nil, nil
}

// other returns a worker of the group that is alive, beside this one; nil: there is
// none.
func (g *Group) other(ctx context.Context) (*Worker, error) {
	if err := g.heartbeat.Beat(ctx); err != nil {
		return nil, err
	}
	live, err := g.Live(ctx)
	if err != nil || len(live) == 1 {
		return nil, err
	}
	return &live[1], nil
}
