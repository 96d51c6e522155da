package lineage

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/postroom/postroom/backend"
)

// LossError says that the stream no longer holds records that were not read. Its
// fields are described at stream.DataLossError.
type LossError struct {
	StreamARN  string
	Shard      string
	Reason     string
	After      string
	AfterTime  time.Time
	Until      time.Time
	FirstStart bool
	Replaced   string
	Err        error
}

// Recorder records a loss durably, before reading continues past it. It returns
// false if nobody records losses: then the caller notes the loss in a lease, as
// far as it concerns one, and fails with it.
type Recorder func(ctx context.Context, loss *LossError) (recorded bool, err error)

func (l *LossError) Error() string {
	what := "stream " + l.StreamARN
	if l.Shard != "" {
		what = "shard " + l.Shard + " of " + what
	}
	from := "its beginning"
	switch {
	case l.After != "":
		from = "sequence number " + l.After
		if !l.AfterTime.IsZero() {
			from += " of " + l.AfterTime.UTC().Format(time.RFC3339)
		}
	case !l.AfterTime.IsZero():
		from = l.AfterTime.UTC().Format(time.RFC3339)
	}
	s := fmt.Sprintf("%s: records after %s are lost to the stream: %s", what, from, l.Reason)
	if l.Err != nil {
		s += ": " + l.Err.Error()
	}
	return s
}

func (l *LossError) Unwrap() error { return l.Err }

// Note is the loss as a lease keeps it.
func (l *LossError) Note(now time.Time) string {
	return now.UTC().Format(time.RFC3339) + ": " + l.Error()
}

// TrimMargin is by how much the time of what was trimmed may be wrong: clocks
// differ, and times are rounded.
const TrimMargin = time.Hour

// Untrimmed is a time from which on no record is trimmed yet.
func Untrimmed(now time.Time) time.Time { return now.Add(TrimMargin - backend.StreamRetention) }

// UpTo is when a loss ends that goes on to t: at the end of the group at the latest, as
// nothing later was promised to it. A zero end is none.
func UpTo(t, end time.Time) time.Time {
	if !end.IsZero() && end.Before(t) {
		return end
	}
	return t
}

// Latest is the latest of some times.
func Latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }
