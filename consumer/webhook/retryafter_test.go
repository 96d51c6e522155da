package webhook

import (
	"net/http"
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(1994, 11, 6, 8, 49, 7, 0, time.UTC)
	for _, test := range []struct {
		value string
		want  time.Duration
	}{
		{"1", time.Second},
		{"0", time.Second},
		{"120", 2 * time.Minute},
		{" 120 ", 2 * time.Minute},
		{"0000000000000000000000000120", 2 * time.Minute},
		{"3600", time.Hour},
		{"3601", time.Hour},
		{"9223372036854775807", time.Hour},
		{"99999999999999999999999999", time.Hour},
		{"Sun, 06 Nov 1994 08:49:37 GMT", 30 * time.Second},
		{"Sunday, 06-Nov-94 08:49:37 GMT", 30 * time.Second},
		{"Sun Nov  6 08:49:37 1994", 30 * time.Second},
		{"Sun, 06 Nov 1994 08:00:00 GMT", time.Second},
		{"Fri, 31 Dec 9999 23:59:59 GMT", time.Hour},
		{"Mon, 01 Jan 0001 00:00:00 GMT", time.Second},
		{"", 0}, {"-1", 0}, {"+1", 0}, {"1.5", 0}, {"1s", 0}, {"soon", 0}, {"0x10", 0},
		{"1994-11-06T08:49:37Z", 0},
	} {
		d, ok := retryAfter(test.value, now, time.Hour)
		if d != test.want || ok != (test.want > 0) {
			t.Errorf("%q: %v %v, want %v", test.value, d, ok, test.want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"", "7", "-1", "99999999999999999999", "Sun, 06 Nov 1994 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"} {
		f.Add(seed, int64(784111777), int64(3600))
	}
	f.Fuzz(func(t *testing.T, value string, now, longest int64) {
		longest = max(1, longest%43200) // seconds
		most := time.Duration(longest) * time.Second
		d, ok := retryAfter(value, time.Unix(now%(1<<40), 0), most)
		if ok && (d < minRetryAfter || d > most) || !ok && d != 0 {
			t.Errorf("%q: %v %v", value, d, ok)
		}
		if _, err := http.ParseTime(value); err == nil && !ok {
			t.Errorf("the date %q was not read", value)
		}
	})
}
