package replay

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/internal/option"
)

const (
	format = 1 // of a replay

	partition = "replay" // of the control table; the sort key is the name

	attrFrom        = "from"
	attrTo          = "to"
	attrBegin       = "begin"
	attrEnd         = "end"
	attrGroups      = "groups"
	attrUsers       = "users"
	attrUUID        = "uuid"
	attrNotify      = "notify"
	attrRate        = "rate"
	attrQueue       = "queue"
	attrSource      = "source"
	attrState       = "state"
	attrTotal       = "total"
	attrReplayed    = "replayed"
	attrProjected   = "projected"
	attrNotified    = "notified"
	attrQuarantined = "quarantined"
	attrCreatedAt   = "created_at"
	attrUpdatedAt   = "updated_at"
	attrFinishedAt  = "finished_at"
	attrAfterPK     = "after_pk"
	attrAfterSK     = "after_sk"
	attrHolder      = "holder"
	attrVersion     = "version"
	attrWriter      = "writer"
	// attrExpires is the attribute by which the control table's time to live removes
	// items; it holds seconds since 1970.
	attrExpires = "expires_at"

	// kept is for how long a replay that is done is listed.
	kept = 30 * 24 * time.Hour
)

// Bounds of a replay.
const (
	MaxChosen = 100 // conversations, and users
	MaxRate   = 10_000
)

// Definition is what somebody asked for. It never changes, except for the rate.
type Definition struct {
	Name string
	// From and To are what was asked for, as it was written; Begin and End are the
	// times that they meant then. A message is replayed if its own time is not before
	// Begin, and is before End.
	From, To   string
	Begin, End time.Time
	// Groups are the conversations whose messages are replayed; empty: all. With Users
	// they are only those of which one of the users is a member. Both are sorted.
	Groups, Users []string
	// Notify says that the recipients are notified again: all of a message, or with
	// Users only these.
	Notify bool
	Rate   int    // messages a second, at most
	Queue  string // that notifications are sent to
}

// State is what becomes of a replay.
type State string

// The states.
const (
	Running State = "running" // it is carried out, or is to be
	Stopped State = "stopped" // until somebody resumes it
	Done    State = "done"
)

// Counts is what a replay has done so far.
type Counts struct {
	Replayed    int64 // messages
	Projected   int64 // of these: they had not been
	Notified    int64 // notifications of the replay that were sent
	Quarantined int64 // messages that cannot be processed
}

func (c Counts) add(d Counts) Counts {
	return Counts{
		Replayed: c.Replayed + d.Replayed, Projected: c.Projected + d.Projected,
		Notified: c.Notified + d.Notified, Quarantined: c.Quarantined + d.Quarantined,
	}
}

// Replay is one item of the control table: what is to be replayed, and how far that is.
type Replay struct {
	Definition

	Source Source
	State  State
	Total  int64 // messages that it concerned when it was created
	Counts Counts

	CreatedAt  time.Time
	UpdatedAt  time.Time // when it was last written: about once a second while it is carried out
	FinishedAt time.Time // zero: it is not done
	Holder     string    // the worker that carries it out, or did when it died; empty: none

	after   backend.Key // everything up to here is done
	version int64       // grows with every write
	writer  string      // of the last one
}

var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,47}$`)

// CheckName returns an error unless a name can be that of a replay.
func CheckName(name string) error {
	if !nameForm.MatchString(name) {
		return fmt.Errorf("%.80q cannot be the name of a replay: use 1 to 48 letters, digits, dots, underlines and hyphens, "+
			"and begin with a letter or a digit", name)
	}
	return nil
}

// New returns a replay that is still to be stored, of so many messages. An error says
// what of it cannot be.
func New(d Definition, s Source, total int64, now time.Time) (Replay, error) {
	r := Replay{Definition: d, Source: s, State: Running, Total: total, CreatedAt: now, UpdatedAt: now}
	if err := CheckName(d.Name); err != nil {
		return r, err
	}
	if err := option.Check("replay", "rate", d.Rate, 1, MaxRate); err != nil {
		return r, err
	}
	if !d.Begin.Before(d.End) {
		return r, fmt.Errorf("the replay begins at %s, and ends at %s: nothing is between them",
			postroom.FormatTime(d.Begin), postroom.FormatTime(d.End))
	}
	for what, uuids := range map[string][]string{"conversations": d.Groups, "users": d.Users} {
		if len(uuids) > MaxChosen {
			return r, fmt.Errorf("%d %s are chosen, and %d can be at most: make several replays", len(uuids), what, MaxChosen)
		}
	}
	_, err := decode(r.encode()) // what can be written can be read
	return r, err
}

// covers reports whether a message of that time is replayed.
func (d Definition) covers(at time.Time) bool { return !at.Before(d.Begin) && at.Before(d.End) }

// Difference names what two definitions differ in; empty: nothing. What an age means
// depends on when it was given, so it is compared as it was written.
func (d Definition) Difference(other Definition) string {
	sameTime := func(text, otherText string, at, otherAt time.Time) bool {
		return text == otherText || at.Equal(otherAt)
	}
	switch {
	case !sameTime(d.From, other.From, d.Begin, other.Begin):
		return "--from"
	case !sameTime(d.To, other.To, d.End, other.End):
		return "--to"
	case !slices.Equal(d.Groups, other.Groups):
		return "--group"
	case !slices.Equal(d.Users, other.Users):
		return "--user"
	case d.Notify != other.Notify:
		return "--notify"
	case d.Rate != other.Rate:
		return "--rate"
	case d.Queue != other.Queue:
		return "--queue"
	}
	return ""
}

// Left is how long the rest takes at the rate, at least.
func (r Replay) Left() time.Duration {
	return time.Duration(max(0, r.Total-r.Counts.Replayed)) * time.Second / time.Duration(r.Rate)
}

func (r Replay) key() backend.Key { return keyOf(r.Name) }

func keyOf(name string) backend.Key { return backend.Key{PK: partition, SK: name} }

// unchanged holds while nobody has written the item since.
func (r Replay) unchanged() backend.Condition {
	return backend.Condition{Equals: backend.Item{attrVersion: item.Int(r.version), attrWriter: item.String(r.writer)}}
}

func (r Replay) encode() backend.Item {
	it := item.New(r.key(), format)
	it[attrFrom], it[attrTo] = item.String(r.From), item.String(r.To)
	it[attrBegin], it[attrEnd] = item.Time(r.Begin), item.Time(r.End)
	it[attrGroups], it[attrUsers] = item.Maps(encodeUUIDs(r.Groups)), item.Maps(encodeUUIDs(r.Users))
	it[attrNotify], it[attrRate] = item.Bool(r.Notify), item.Int(int64(r.Rate))
	it[attrQueue], it[attrSource] = item.String(r.Queue), item.String(string(r.Source))
	it[attrState], it[attrTotal] = item.String(string(r.State)), item.Int(r.Total)
	it[attrReplayed], it[attrProjected] = item.Int(r.Counts.Replayed), item.Int(r.Counts.Projected)
	it[attrNotified], it[attrQuarantined] = item.Int(r.Counts.Notified), item.Int(r.Counts.Quarantined)
	it[attrCreatedAt], it[attrUpdatedAt] = item.Time(r.CreatedAt), item.Time(r.UpdatedAt)
	it[attrFinishedAt], it[attrHolder] = item.Time(r.FinishedAt), item.String(r.Holder)
	it[attrAfterPK], it[attrAfterSK] = item.String(r.after.PK), item.String(r.after.SK)
	it[attrVersion], it[attrWriter] = item.Int(r.version), item.String(r.writer)
	if r.State == Done {
		it[attrExpires] = item.Int(r.FinishedAt.Add(kept).Unix())
	}
	return it
}

func encodeUUIDs(uuids []string) []backend.Item {
	maps := make([]backend.Item, len(uuids))
	for i, uuid := range uuids {
		maps[i] = backend.Item{attrUUID: item.String(uuid)}
	}
	return maps
}

func decode(it backend.Item) (Replay, error) {
	d := item.Decode(it, format)
	r := Replay{
		Definition: Definition{
			Name: d.String(backend.AttrSK), From: d.String(attrFrom), To: d.String(attrTo),
			Begin: d.Time(attrBegin), End: d.Time(attrEnd),
			Groups: decodeUUIDs(d, attrGroups), Users: decodeUUIDs(d, attrUsers),
			Notify: d.Bool(attrNotify), Rate: int(d.Int(attrRate, 1)), Queue: d.String(attrQueue),
		},
		Source: Source(d.String(attrSource)), State: State(d.String(attrState)), Total: d.Int(attrTotal, 0),
		Counts: Counts{
			Replayed: d.Int(attrReplayed, 0), Projected: d.Int(attrProjected, 0),
			Notified: d.Int(attrNotified, 0), Quarantined: d.Int(attrQuarantined, 0),
		},
		CreatedAt: d.Time(attrCreatedAt), UpdatedAt: d.Time(attrUpdatedAt), FinishedAt: d.Time(attrFinishedAt),
		Holder: d.String(attrHolder), after: backend.Key{PK: d.String(attrAfterPK), SK: d.String(attrAfterSK)},
		version: d.Int(attrVersion, 0), writer: d.String(attrWriter),
	}
	d.Check(backend.AttrSK, CheckName(r.Name) == nil, "it is not the name of a replay")
	d.Check(attrRate, r.Rate <= MaxRate, "it is too high")
	d.Check(attrEnd, !r.Begin.IsZero() && r.Begin.Before(r.End), "it is not after "+attrBegin)
	d.Check(attrSource, r.Source == Log || r.Source == Stream, "it is not known")
	d.Check(attrState, r.State == Running || r.State == Stopped || r.State == Done, "it is not known")
	d.Check(attrFinishedAt, r.FinishedAt.IsZero() == (r.State != Done), "it does not agree with "+attrState)
	d.Check(attrAfterSK, (r.after.PK == "") == (r.after.SK == ""), "it is a half of a key")
	return r, d.Err()
}

func decodeUUIDs(d *item.Decoder, name string) (uuids []string) {
	last := ""
	d.Maps(name, func(d *item.Decoder) {
		uuid := d.String(attrUUID)
		d.Check(attrUUID, postroom.CheckUUID(uuid) == nil && uuid > last, "it is not a uuid, comes twice, or not in its order")
		uuids, last = append(uuids, uuid), uuid
	})
	d.Check(name, len(uuids) <= MaxChosen, "there are too many")
	return uuids
}
