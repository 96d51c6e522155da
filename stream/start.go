package stream

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/postroom/postroom/stream/internal/lease"
	"github.com/postroom/postroom/stream/internal/lineage"
)

// DefaultGroup is the name of the group that [Options] names none. Its items stand
// where they stood before there were groups.
const DefaultGroup = lease.DefaultGroup

// ErrStart says that a group cannot begin where [Options].Start says: its shard holds
// no record with that sequence number, or no more.
var ErrStart = lineage.ErrStart

// groupName is what a group may be called: it is a part of keys, and of logs.
var groupName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// CheckGroup returns an error unless a name can be that of a group: it has 1 to 64
// letters of a to z in either case, digits, dots, underlines and hyphens, and begins with a letter
// or a digit.
func CheckGroup(name string) error {
	if !groupName.MatchString(name) {
		return fmt.Errorf("stream: Group: %.80q cannot be the name of a group: use 1 to 64 letters, digits, dots, underlines and hyphens, "+
			"and begin with a letter or a digit", name)
	}
	return nil
}

// Start is where a group begins to read the stream. The zero value is the trim horizon:
// everything that the stream holds. Whatever it is, the shards are read from their trim
// horizons, and what is before the start is acknowledged and not delivered. Nothing
// before the start was promised to the group, so nothing of it is reported as lost.
//
// The start is stored when the group reads the stream for the first time. When the
// table's stream is replaced, the group reads everything in the new one that is not
// before its time.
type Start struct {
	// Latest begins at the time of the first start, by the clock of the worker that
	// leads the group.
	Latest bool
	// At begins at a time, which must not be in the future. The times of records are
	// approximate, so the group gets every record that was made then or later, and may
	// get those of up to a minute before. What is older than the stream keeps for
	// certain, 23 hours, is reported as a [DataLossError] with that range.
	At time.Time
	// Shard and Sequence begin at a record, inclusively. All other shards, the
	// ancestors and descendants of this one too, begin at the time of that record, as
	// with At: no order is known between shards. If the stream does not hold the
	// record, Run returns [ErrStart].
	Shard, Sequence string
}

// How a start is written.
const (
	fromTrimHorizon = "trim-horizon"
	fromLatest      = "latest"
)

// ParseStart returns a start as it is written: trim-horizon, latest, a time in RFC
// 3339, an age such as 2h30m, or shard:sequence. Ages count back from now.
func ParseStart(text string, now time.Time) (Start, error) {
	switch text {
	case fromTrimHorizon:
		return Start{}, nil
	case fromLatest:
		return Start{Latest: true}, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return Start{At: t}, nil
	}
	if age, err := time.ParseDuration(text); err == nil && age >= 0 {
		return Start{At: now.Add(-age)}, nil
	}
	if i := strings.LastIndexByte(text, ':'); i > 0 && isSequence(text[i+1:]) && strings.Trim(text[:i], "0123456789:") != "" {
		return Start{Shard: text[:i], Sequence: text[i+1:]}, nil
	}
	return Start{}, fmt.Errorf("%.80q is not a start: give trim-horizon, latest, a time such as 2026-05-21T10:30:00Z, "+
		"an age such as 2h30m, or SHARD:SEQUENCE", text)
}

// String returns the start as [ParseStart] reads it.
func (s Start) String() string {
	switch {
	case s.Shard != "":
		return s.Shard + ":" + s.Sequence
	case s.Latest:
		return fromLatest
	case !s.At.IsZero():
		return s.At.UTC().Format(time.RFC3339Nano)
	}
	return fromTrimHorizon
}

func isSequence(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}

func (s Start) check(group string, now time.Time) error {
	ways := 0
	for _, is := range []bool{s.Latest, !s.At.IsZero(), s.Shard != "" || s.Sequence != ""} {
		if is {
			ways++
		}
	}
	switch {
	case ways == 0:
		return nil
	case group == DefaultGroup:
		return fmt.Errorf("stream: Start: the group %s begins at the trim horizon: give the group another name to begin at %s", group, s)
	case ways > 1:
		return fmt.Errorf("stream: Start: it is more than one of the latest record, a time and a record: %+v", s)
	case (s.Shard != "" || s.Sequence != "") && (s.Shard == "" || !isSequence(s.Sequence)):
		return fmt.Errorf("stream: Start: a record has a shard and a sequence number, and %q, %q has not", s.Shard, s.Sequence)
	case s.At.After(now):
		return fmt.Errorf("stream: Start: %s is in the future", s)
	}
	return nil
}
