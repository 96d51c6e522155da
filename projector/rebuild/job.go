package rebuild

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/internal/longscan"
	"github.com/postroom/postroom/internal/option"
)

const (
	format = 1 // of a rebuild

	partition = "rebuild"
	jobPrefix = "JOB#"

	attrGroups        = "groups"
	attrUsers         = "users"
	attrUUID          = "uuid"
	attrView          = "view"       // there only if there is one
	attrGeneration    = "generation" // with view
	attrDrop          = "drop"       // with view
	attrRate          = "rate"
	attrState         = "state"
	attrAskedAt       = "asked_at"
	attrUpdatedAt     = "updated_at"
	attrEndedAt       = "ended_at"
	attrWorked        = "worked_ms"
	attrExpected      = "expected"
	attrRead          = "read"
	attrConversations = "conversations"
	attrChanged       = "changed"
	attrFailed        = "failed"
	attrUnits         = "units"
	attrFailures      = "failures"
	attrReason        = "reason"
	attrSegments      = "segments"
	attrVersion       = "version"
	attrWriter        = "writer"
	attrWorker        = "worker"

	// MaxTargets is how many conversations, or users, one rebuild names at most. They
	// are in its item, which is written every second.
	MaxTargets = 100
	// MaxFailures is how many of the conversations that could not be rebuilt are kept.
	MaxFailures = 20
	// MaxRate bounds the rate of a rebuild, in capacity units a second.
	MaxRate = 100_000
	// maxSegments bounds those of a scan.
	maxSegments = 1000
)

// State says whether a rebuild is carried out.
type State string

// The states of a rebuild.
const (
	Running State = "running" // or waiting for those before it
	Stopped State = "stopped" // until somebody resumes it
	Done    State = "done"
)

// Scope is what a rebuild is about: conversations, or the conversations of users, or a
// view, or, where these are empty, everything. At most one may be set.
type Scope struct {
	Groups []string
	Users  []string

	// View is the name of a view that is to be filled, or dropped: only what that takes is
	// done. Generation is the one of the table's views by which it was added, or dropped.
	View       string
	Generation int64
	Drop       bool
}

// Same reports whether two scopes are the same.
func (s Scope) Same(o Scope) bool {
	return slices.Equal(s.Groups, o.Groups) && slices.Equal(s.Users, o.Users) &&
		s.View == o.View && s.Generation == o.Generation && s.Drop == o.Drop
}

// normal returns the scope sorted and without repetitions, if it is valid.
func (s Scope) normal() (Scope, error) {
	if len(s.Groups) > 0 && len(s.Users) > 0 {
		return s, errors.New("rebuild: conversations and users exclude each other")
	}
	if err := s.checkView(); err != nil {
		return s, err
	}
	for what, uuids := range map[string]*[]string{"conversation": &s.Groups, "user": &s.Users} {
		*uuids = slices.Compact(slices.Sorted(slices.Values(*uuids)))
		for _, uuid := range *uuids {
			if err := postroom.CheckUUID(uuid); err != nil {
				return s, fmt.Errorf("rebuild: %s: %w", what, err)
			}
		}
		if err := option.Check("rebuild", what+"s", len(*uuids), 0, MaxTargets); err != nil {
			return s, err
		}
	}
	return s, nil
}

// checkView returns an error unless the view is one that can be filled or dropped, or none.
func (s Scope) checkView() error {
	switch {
	case s.View == "" && s.Generation == 0 && !s.Drop:
		return nil
	case len(s.Groups)+len(s.Users) > 0:
		return errors.New("rebuild: a view is filled or dropped as a whole")
	case s.Generation < 1:
		return errors.New("rebuild: a view has a generation from 1")
	}
	return postroom.CheckViewName(s.View)
}

// Job is one rebuild: what was asked for, and how far it is.
type Job struct {
	ID    string
	Scope Scope
	Rate  int // capacity units a second
	State State

	// Worker carries it out, or did last; empty: nobody has since it was asked for,
	// stopped or resumed.
	Worker    string
	AskedAt   time.Time
	UpdatedAt time.Time // while it is carried out, about every second
	EndedAt   time.Time // when it was done or stopped; zero while it runs
	// Worked is for how long it was carried out: neither the time that it waited for
	// others nor that in which nobody did counts.
	Worked time.Duration
	// Expected is about how large Counts.Read becomes.
	Expected int64
	Counts   Counts
	Failures []Failure // the first ones

	segments []longscan.Segment // none: the scope is conversations
	version  int64              // grows with every write
	writer   string
}

// Counts is what a rebuild has done.
type Counts struct {
	// Read counts the items of the table that it has passed, or where it was given
	// conversations, those.
	Read          int64 `metric:"postroom_rebuild_read_total" help:"Items of the table, or conversations where these were named, that a rebuild is done with."`
	Conversations int64 `metric:"postroom_rebuild_conversations_total" help:"Conversations that were held against the log by a rebuild."`
	Changed       int64 `metric:"postroom_rebuild_changed_total" help:"Conversations in which a rebuild has changed something."`
	Failed        int64 `metric:"postroom_rebuild_failed_total" help:"Conversations that could not be rebuilt."`
	Units         int64 `metric:"postroom_rebuild_units_total" help:"Capacity units that rebuilds consumed, of reading and writing."`
}

func (c Counts) add(d Counts) Counts {
	return Counts{c.Read + d.Read, c.Conversations + d.Conversations, c.Changed + d.Changed, c.Failed + d.Failed, c.Units + d.Units}
}

// Failure is a conversation that could not be rebuilt.
type Failure struct {
	GroupUUID string
	Reason    string
}

// Writes is how often the rebuild was written: it grows while it is carried out.
func (j Job) Writes() int64 { return j.version }

// UnitsPerSecond is how many capacity units the rebuild consumes a second, while it is
// carried out; 0: that is not known yet.
func (j Job) UnitsPerSecond() float64 {
	if j.Worked <= 0 {
		return 0
	}
	return float64(j.Counts.Units) / j.Worked.Seconds()
}

// Left returns how long the rebuild will take yet, at the speed that it had so far; 0:
// that is not known, or it is done.
func (j Job) Left() time.Duration {
	left := j.Expected - j.Counts.Read
	if left <= 0 || j.Counts.Read == 0 || j.State == Done {
		return 0
	}
	return time.Duration(float64(j.Worked) / float64(j.Counts.Read) * float64(left))
}

// clone returns a copy that shares nothing that changes.
func (j Job) clone() Job {
	j.segments, j.Failures = slices.Clone(j.segments), slices.Clone(j.Failures)
	return j
}

func (j Job) key() backend.Key { return backend.Key{PK: partition, SK: jobPrefix + j.ID} }

// unchanged holds while nobody else has written the item since.
func (j Job) unchanged() backend.Condition {
	return backend.Condition{Equals: backend.Item{attrVersion: item.Int(j.version), attrWriter: item.String(j.writer)}}
}

func (j Job) encode() backend.Item {
	uuids := func(all []string) (list []backend.Item) {
		for _, uuid := range all {
			list = append(list, backend.Item{attrUUID: item.String(uuid)})
		}
		return list
	}
	var failures []backend.Item
	for _, f := range j.Failures {
		failures = append(failures, backend.Item{attrUUID: item.String(f.GroupUUID), attrReason: item.String(f.Reason)})
	}
	it := item.New(j.key(), format)
	it[attrGroups], it[attrUsers] = item.Maps(uuids(j.Scope.Groups)), item.Maps(uuids(j.Scope.Users))
	if j.Scope.View != "" {
		it[attrView], it[attrGeneration], it[attrDrop] = item.String(j.Scope.View), item.Int(j.Scope.Generation), item.Bool(j.Scope.Drop)
	}
	it[attrRate], it[attrState] = item.Int(int64(j.Rate)), item.String(string(j.State))
	it[attrAskedAt], it[attrUpdatedAt], it[attrEndedAt] = item.Time(j.AskedAt), item.Time(j.UpdatedAt), item.Time(j.EndedAt)
	it[attrWorked], it[attrExpected] = item.Int(j.Worked.Milliseconds()), item.Int(j.Expected)
	c := j.Counts
	it[attrRead], it[attrConversations] = item.Int(c.Read), item.Int(c.Conversations)
	it[attrChanged], it[attrFailed], it[attrUnits] = item.Int(c.Changed), item.Int(c.Failed), item.Int(c.Units)
	it[attrFailures], it[attrSegments] = item.Maps(failures), item.Maps(longscan.Encode(j.segments))
	it[attrVersion], it[attrWriter], it[attrWorker] = item.Int(j.version), item.String(j.writer), item.String(j.Worker)
	return it
}

func decode(it backend.Item) (Job, error) {
	d := item.Decode(it, format)
	uuids := func(name string) (all []string) {
		d.Maps(name, func(d *item.Decoder) { all = append(all, d.String(attrUUID)) })
		return all
	}
	j := Job{
		ID: strings.TrimPrefix(d.String(backend.AttrSK), jobPrefix), Scope: Scope{Groups: uuids(attrGroups), Users: uuids(attrUsers)},
		Rate: int(d.Int(attrRate, 1)), State: State(d.String(attrState)),
		AskedAt: d.Time(attrAskedAt), UpdatedAt: d.Time(attrUpdatedAt), EndedAt: d.Time(attrEndedAt),
		Worked: time.Duration(d.Int(attrWorked, 0)) * time.Millisecond, Expected: d.Int(attrExpected, 0),
		Counts: Counts{
			d.Int(attrRead, 0), d.Int(attrConversations, 0), d.Int(attrChanged, 0), d.Int(attrFailed, 0), d.Int(attrUnits, 0),
		},
		version: d.Int(attrVersion, 0), writer: d.String(attrWriter), Worker: d.String(attrWorker),
	}
	d.Maps(attrFailures, func(d *item.Decoder) {
		j.Failures = append(j.Failures, Failure{d.String(attrUUID), d.String(attrReason)})
	})
	j.segments = longscan.Decode(d, attrSegments)
	if it[attrView] != nil || it[attrGeneration] != nil || it[attrDrop] != nil {
		j.Scope.View, j.Scope.Generation, j.Scope.Drop = d.String(attrView), d.Int(attrGeneration, 1), d.Bool(attrDrop)
	}
	normal, err := j.Scope.normal()
	if err != nil || !normal.Same(j.Scope) {
		d.Fail(attrGroups, errors.Join(errors.New("the scope is not one that can be asked for"), err))
	}
	d.Check(attrRate, j.Rate <= MaxRate, "it is too high")
	d.Check(attrState, j.State == Running || j.State == Stopped || j.State == Done, "it is none that there is")
	d.Check(attrEndedAt, j.EndedAt.IsZero() == (j.State == Running), "it does not agree with "+attrState)
	d.Check(attrFailures, len(j.Failures) <= MaxFailures, "there are too many")
	d.Check(attrSegments, len(j.segments) <= maxSegments && (len(j.segments) > 0) == (len(j.Scope.Groups) == 0), "there are too many or too few")
	return j, d.Err()
}
