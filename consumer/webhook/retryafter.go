package webhook

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// minRetryAfter keeps requests from looping if a receiver says "now".
const minRetryAfter = time.Second

// retryAfter parses a Retry-After header: seconds, or a date in one of HTTP's three
// forms. It returns from one second to longest, and false for any other text.
// Source: RFC 9110, 10.2.3 and 5.6.7.
func retryAfter(value string, now time.Time, longest time.Duration) (time.Duration, bool) {
	value = strings.TrimSpace(value)
	seconds, err := strconv.ParseUint(value, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange), err == nil && seconds > uint64(longest/time.Second):
		return longest, true
	case err == nil:
		return max(minRetryAfter, time.Duration(seconds)*time.Second), true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	return min(max(minRetryAfter, at.Sub(now)), longest), true
}
