package canary

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/batch"
	"github.com/postroom/postroom/internal/incident"
	"github.com/postroom/postroom/internal/item"
)

const (
	format = 1 // of a state

	// partition holds the states of all processes.
	partition = "CANARY"

	attrHost      = "host"
	attrEvery     = "every_ms"
	attrDelivers  = "delivers"
	attrUpdated   = "updated_at"
	attrDue       = "due_at"
	attrMessage   = "message_uuid"
	attrPosted    = "posted_at"
	attrVisible   = "visible_us"
	attrDelivered = "delivered_us"
	attrStage     = "stage"
	attrError     = "error"
	attrArrived   = "arrived_at"
	attrFailing   = "failing_since"
	attrInARow    = "failures_in_a_row"
	attrExpires   = "expires_at" // by which the control table's time to live removes it

	// remembered is for how long a process that was killed is remembered.
	remembered = 24 * time.Hour
	// forgetting bounds how long a process that is stopped takes to remove its state.
	forgetting = time.Second
)

// State is how one process's canaries went.
type State struct {
	Name, Session, Host string
	Every               time.Duration
	Delivers            bool // it also waits for the delivery
	UpdatedAt           time.Time
	// DueAt is when the next canary's result is known at the latest, if the process lives.
	DueAt        time.Time
	Last         Last
	ArrivedAt    time.Time // when the last one that has arrived was posted; zero: none
	FailingSince time.Time // when the first of those that failed in a row was; zero: none
	InARow       int       // how many those are
}

// Last is the result of the last canary.
type Last struct {
	MessageUUID        string // "": it has none
	PostedAt           time.Time
	Visible, Delivered time.Duration // 0: it was not
	Stage              Stage         // that it did not reach
	Error              string
}

// add takes a result in.
func (s *State) add(r Result, now time.Time, timeout time.Duration) {
	if r.PostedAt.IsZero() {
		r.PostedAt = postroom.RoundTime(now)
	}
	s.Last = Last{MessageUUID: r.MessageUUID, PostedAt: r.PostedAt, Visible: r.Visible, Delivered: r.Delivered, Stage: r.Stage}
	s.UpdatedAt, s.DueAt = now, now.Add(s.Every+2*timeout)
	if r.Stage == "" {
		s.ArrivedAt, s.FailingSince, s.InARow = r.PostedAt, time.Time{}, 0
		return
	}
	s.Last.Error = incident.Brief(r.Err)
	if s.InARow++; s.InARow == 1 {
		s.FailingSince = r.PostedAt
	}
}

// key is that of the state's item.
func (s State) key() backend.Key { return backend.Key{PK: partition, SK: s.Name + "#" + s.Session} }

// keep writes the state. That it fails changes nothing else.
func (c *Canary) keep(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	if err := c.control.Put(ctx, c.state.encode(), backend.Condition{}); err != nil {
		c.keeping.Failed(ctx, c.o.Name, err)
		return
	}
	c.keeping.Succeeded(c.o.Name)
}

// forget removes the state of a process that is stopped.
func (c *Canary) forget(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), forgetting)
	defer cancel()
	_ = c.control.Delete(ctx, []backend.Key{c.state.key()}) // otherwise it expires
}

func (s State) expired(now time.Time) bool { return now.Sub(s.DueAt) > remembered }

// ReadStates returns how the canaries of all processes went, in the order of their names,
// and those items that are damaged. A process that is stopped leaves the list, and one that
// was killed does after a day.
func ReadStates(ctx context.Context, control backend.Table, now time.Time) ([]State, []*item.DamageError, error) {
	all, damaged, err := item.DecodeAll(batch.NewTable(control).Query(ctx, backend.Query{PK: partition, Consistent: true}), decode)
	return slices.DeleteFunc(all, func(s State) bool { return s.expired(now) }), damaged, err
}

func (s State) encode() backend.Item {
	it := item.New(s.key(), format)
	it[attrHost], it[attrEvery], it[attrDelivers] = item.String(s.Host), item.Int(s.Every.Milliseconds()), item.Bool(s.Delivers)
	it[attrUpdated], it[attrDue] = item.Time(s.UpdatedAt), item.Time(s.DueAt)
	it[attrMessage], it[attrPosted] = item.String(s.Last.MessageUUID), item.Time(s.Last.PostedAt)
	it[attrVisible], it[attrDelivered] = item.Int(s.Last.Visible.Microseconds()), item.Int(s.Last.Delivered.Microseconds())
	it[attrStage], it[attrError] = item.String(string(s.Last.Stage)), item.String(s.Last.Error)
	it[attrArrived], it[attrFailing], it[attrInARow] = item.Time(s.ArrivedAt), item.Time(s.FailingSince), item.Int(int64(s.InARow))
	it[attrExpires] = item.Int(s.DueAt.Add(remembered).Unix() + 1)
	return it
}

// decode decodes an item. An expiry that it cannot read does not matter.
func decode(it backend.Item) (State, error) {
	d := item.Decode(it, format)
	micros := func(name string) time.Duration { return time.Duration(d.Int(name, 0)) * time.Microsecond }
	name, session, _ := strings.Cut(backend.KeyOf(it).SK, "#")
	s := State{
		Name: name, Session: session, Host: d.String(attrHost),
		Every: time.Duration(min(d.Int(attrEvery, 1), maxEvery.Milliseconds()+1)) * time.Millisecond, Delivers: d.Bool(attrDelivers),
		UpdatedAt: d.Time(attrUpdated), DueAt: d.Time(attrDue),
		Last: Last{
			MessageUUID: d.String(attrMessage), PostedAt: d.Time(attrPosted),
			Visible: micros(attrVisible), Delivered: micros(attrDelivered),
			Stage: Stage(d.String(attrStage)), Error: d.String(attrError),
		},
		ArrivedAt: d.Time(attrArrived), FailingSince: d.Time(attrFailing), InARow: int(d.Int(attrInARow, 0)),
	}
	d.Check(backend.AttrSK, names.MatchString(name) && postroom.CheckUUID(session) == nil, "it is not a name and a session")
	d.Check(attrEvery, s.Every <= maxEvery, "it is too long")
	d.Check(attrMessage, s.Last.MessageUUID == "" || postroom.CheckUUID(s.Last.MessageUUID) == nil, "it is not a uuid")
	d.Check(attrDue, !s.DueAt.Before(s.UpdatedAt), "it is before the last result")
	switch s.Last.Stage {
	case "", Post, Visible, Delivered:
	default:
		d.Fail(attrStage, errors.New("there is no such stage"))
	}
	d.Check(attrInARow, (s.InARow > 0) == (s.Last.Stage != ""), "it does not fit the stage")
	d.Check(attrFailing, s.FailingSince.IsZero() == (s.InARow == 0), "it does not fit the number of failures")
	return s, d.Err()
}

// Repair returns how to repair an item of the control table; nil: it is good, or not a
// canary's. The error is that of a newer format.
func Repair(it backend.Item) (*item.Repair, error) {
	if backend.KeyOf(it).PK != partition {
		return nil, nil
	}
	_, err := decode(it)
	return item.Deletion(item.AsDamaged(err), err, "the process writes it anew with its next canary")
}
