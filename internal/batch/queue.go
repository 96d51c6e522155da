package batch

import (
	"strings"
	"unicode/utf8"

	"github.com/postroom/postroom/backend"
)

// Next returns the indices of the entries that go into one call of Send, and of
// those that wait for the next: a batch has at most MaxQueueBatch entries of
// MaxQueueBytes together, and at most one of a group. A group's next entry waits
// until the last was accepted, since one that failed and was sent again would
// otherwise come after its successor. The first entry always goes.
func Next(entries []backend.SendEntry) (batch, rest []int) {
	size := 0
	groups := make(map[string]bool, backend.MaxQueueBatch)
	for i, e := range entries {
		n := e.SizeBytes()
		fits := len(batch) < backend.MaxQueueBatch && size+n <= backend.MaxQueueBytes
		if len(batch) > 0 && (!fits || e.GroupID != "" && groups[e.GroupID]) {
			groups[e.GroupID] = true // what follows in the group waits too
			rest = append(rest, i)
			continue
		}
		groups[e.GroupID] = true
		size += n
		batch = append(batch, i)
	}
	return batch, rest
}

// Pick returns the elements with the indices.
func Pick[T any](all []T, indices []int) []T {
	picked := make([]T, len(indices))
	for n, i := range indices {
		picked[n] = all[i]
	}
	return picked
}

// Clean replaces what SQS refuses in a text, and bounds it on a rune boundary.
// Allowed are tab, line feed, carriage return and U+0020–U+D7FF, U+E000–U+FFFD,
// U+10000–U+10FFFF. Source: SQS API reference, SendMessage, MessageBody.
func Clean(s string, maxBytes int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) <= maxBytes {
		return s
	}
	return strings.ToValidUTF8(s[:maxBytes], "")
}
