package postroom

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// TimeLayout is the layout of every time in a key: RFC 3339 in UTC with microseconds,
// always 27 bytes. Text order is time order.
const TimeLayout = "2006-01-02T15:04:05.000000Z"

// MaxClockSkew is how far ahead of the producer's clock a message's time may be. A
// message from the future would stay on top of every inbox until then.
const MaxClockSkew = 60 * time.Second

// RoundTime returns t as it is stored: in UTC, rounded down to the microsecond, and
// without a reading of the monotonic clock.
func RoundTime(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// FormatTime formats t in [TimeLayout], in UTC and truncated to the microsecond.
func FormatTime(t time.Time) string { return t.UTC().Format(TimeLayout) }

// ParseTime parses a time in exactly [TimeLayout].
func ParseTime(s string) (time.Time, error) {
	t, err := time.Parse(TimeLayout, s)
	if err != nil || len(s) != len(TimeLayout) || FormatTime(t) != s {
		return time.Time{}, fmt.Errorf("time %s is not of the form %s", quote(s), TimeLayout)
	}
	return t, nil
}

// rfc3339 is the grammar of RFC 3339, 5.6, as far as [time.Parse] takes more or less.
var rfc3339 = regexp.MustCompile(`^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

// ParseAnyTime parses a time as RFC 3339 has it, with any zone and precision, as
// producers send it. It returns the time as it is stored, see [RoundTime].
//
// A leap second, which may be the last second of June and of December in UTC, has no
// place of its own in what is stored. It is the second after, as in POSIX: 23:59:60.5
// is 00:00:00.5. The first instant of the year 1 is an error, since Go takes it for a
// time that is missing.
func ParseAnyTime(s string) (time.Time, error) {
	if !rfc3339.MatchString(s) {
		return time.Time{}, notRFC3339(s)
	}
	upper := strings.ToUpper(s) // time.Parse takes neither t nor z
	const seconds = len("2006-01-02T15:04:")
	leap := upper[seconds:seconds+2] == "60"
	if leap {
		upper = upper[:seconds] + "59" + upper[seconds+2:]
	}
	t, err := time.Parse(time.RFC3339Nano, upper)
	if err != nil {
		return time.Time{}, notRFC3339(s)
	}
	t = RoundTime(t)
	if leap {
		if t = t.Add(time.Second); !beginsHalfYear(t) {
			return time.Time{}, fmt.Errorf("time %s has a leap second, which only the last second of June or December in UTC can be", quote(s))
		}
	}
	switch {
	case t.Year() < 1 || t.Year() > 9999:
		return time.Time{}, fmt.Errorf("time %s is outside the years 1 to 9999", quote(s))
	case t.IsZero():
		return time.Time{}, fmt.Errorf("time %s stands for a time that is missing; leave it out, or give the microsecond after it", quote(s))
	}
	return t, nil
}

func notRFC3339(s string) error {
	return fmt.Errorf("time %s is not RFC 3339, such as %s", quote(s), "2026-05-21T10:30:00Z")
}

// beginsHalfYear reports whether t is in the first second of a January or July.
func beginsHalfYear(t time.Time) bool {
	first := time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
	return t.Sub(first) < time.Second && (t.Month() == time.January || t.Month() == time.July)
}
