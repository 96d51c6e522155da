package postroom

import (
	"fmt"
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
		return time.Time{}, fmt.Errorf("time %q is not of the form %s", s, TimeLayout)
	}
	return t, nil
}

// ParseAnyTime parses RFC 3339 with any zone and precision, as producers send it. It
// returns the time in UTC, truncated to the microsecond.
func ParseAnyTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}, fmt.Errorf("time %q is not RFC 3339, such as %s", s, "2026-05-21T10:30:00Z")
	}
	t = RoundTime(t)
	if t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}, fmt.Errorf("time %q is outside the years 1 to 9999", s)
	}
	return t, nil
}
