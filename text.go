package postroom

import (
	"strconv"
	"unicode/utf8"
)

const (
	ellipsis = "…"
	// quotedBytes bounds what an error repeats of its input.
	quotedBytes = 100
)

// cutText shortens s to at most size bytes, including the ellipsis.
func cutText(s string, size int) string {
	if len(s) <= size {
		return s
	}
	end := size - len(ellipsis)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + ellipsis
}

// quote quotes the beginning of s for an error.
func quote(s string) string { return strconv.Quote(cutText(s, quotedBytes)) }
