package webhook

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// Limits of a quotation in bytes: of an answer's body, and of an error.
const (
	maxExcerpt = 200
	maxError   = 600
)

// Words of a URL of at least this length, in bytes, are treated as secrets: in the
// query, where most of them are secret, and in the path, where most are not.
const (
	minQuerySecret = 4
	minPathSecret  = 16
)

// censor quotes a receiver's words. These may repeat the requested URL, escaped in
// any way, so the censor removes the words of that URL.
type censor struct{ words *strings.Replacer }

func newCensor(u *url.URL) censor {
	words := map[string]bool{}
	add := func(text string, shortest int) {
		for _, word := range strings.FieldsFunc(text, notOfAWord) {
			if len(word) >= shortest {
				words[word] = true
			}
		}
	}
	for _, path := range []string{u.Path, u.EscapedPath()} {
		add(path, minPathSecret)
	}
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		name, value, ok := strings.Cut(pair, "=")
		if !ok { // a query without a name is a secret as a whole
			value = name
		}
		add(value, minQuerySecret)
		if decoded, err := url.QueryUnescape(value); err == nil {
			add(decoded, minQuerySecret)
		}
	}
	longestFirst := func(a, b string) int { return cmp.Compare(len(b), len(a)) } // a word before its parts
	var pairs []string
	for _, word := range slices.SortedFunc(maps.Keys(words), longestFirst) {
		pairs = append(pairs, word, "…")
	}
	return censor{strings.NewReplacer(pairs...)}
}

func notOfAWord(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '-' && r != '_'
}

// quote returns the beginning of a text, at most the given number of bytes and an
// ellipsis, on one line, with printable characters only and without words of the
// URL.
func (c censor) quote(text string, most int) string {
	text = c.words.Replace(strings.ToValidUTF8(text, "\uFFFD"))
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return !unicode.IsPrint(r) || unicode.IsSpace(r)
	}), " ")
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
