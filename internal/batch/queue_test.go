package batch

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/postroom/postroom/backend"
)

// TestQ1Q2Batches: whatever is to be sent, each call is one that SQS takes, and
// all of it goes, that of a group in order and one by one.
func TestQ1Q2Batches(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		entries := rapid.SliceOf(rapid.Custom(func(t *rapid.T) backend.SendEntry {
			return backend.SendEntry{
				Body:       strings.Repeat("x", rapid.SampledFrom([]int{1, 100_000, backend.MaxQueueBytes / 2, backend.MaxQueueBytes - 10}).Draw(t, "bytes")),
				GroupID:    rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "group"),
				Attributes: rapid.SampledFrom([]map[string]string{nil, {"a": "b"}}).Draw(t, "attributes"),
			}
		})).Draw(t, "entries")
		for i := range entries {
			entries[i].DeduplicationID = fmt.Sprint(i)
		}
		last := map[string]int{}
		for left := entries; len(left) > 0; {
			picked, rest := Next(left)
			batch := Pick(left, picked)
			left = Pick(left, rest)
			size, groups := 0, map[string]bool{}
			for _, e := range batch {
				size += e.SizeBytes()
				n := slices.IndexFunc(entries, func(o backend.SendEntry) bool { return o.DeduplicationID == e.DeduplicationID })
				if e.GroupID == "" {
					continue
				}
				if before, ok := last[e.GroupID]; groups[e.GroupID] || ok && before > n {
					t.Fatalf("entry %d of group %s: %v before it, in this batch: %v", n, e.GroupID, before, groups[e.GroupID])
				}
				groups[e.GroupID], last[e.GroupID] = true, n
			}
			if len(batch) == 0 || len(batch) > backend.MaxQueueBatch || size > backend.MaxQueueBytes {
				t.Fatalf("a batch of %d entries and %d bytes", len(batch), size)
			}
		}
	})
}

func TestQ2Clean(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   string
		most int
		want string
	}{
		{"as it is\t\r\n", 100, "as it is\t\r\n"},
		{"a\x00b\x1fc\ufffed\uffffe\xfff", 100, "a\uFFFDb\uFFFDc\uFFFDd\uFFFDe\uFFFDf"},
		{"größer", 4, "gr\u00f6"},
		{"größer", 3, "gr"},
		{"😀", 3, ""},
	} {
		got := Clean(c.in, c.most)
		if got != c.want || !utf8.ValidString(got) {
			t.Errorf("Clean(%q, %d) is %q, want %q", c.in, c.most, got, c.want)
		}
	}
}
