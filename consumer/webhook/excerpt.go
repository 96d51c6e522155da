package webhook

import (
	"net/url"
	"sort"
	"strings"
	"unicode"
)

// What is quoted at most, in bytes: of an answer's body, and of an error.
const (
	maxExcerpt = 200
	maxError   = 600
)

// Parts of a URL this long, in bytes, are taken for secrets: in the query, where
// most are, and in the path, where most are not.
const (
	minQuerySecret = 4
	minPathSecret  = 16
)

// censor quotes what a receiver says. That may repeat the URL it was asked for,
// in whatever escaping, so the words of that are what it takes out.
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
		if !ok { // a query without names is a secret as a whole
			value = name
		}
		add(value, minQuerySecret)
		if decoded, err := url.QueryUnescape(value); err == nil {
			add(decoded, minQuerySecret)
		}
	}
	return censor{replacer(words)}
}

func notOfAWord(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '-' && r != '_'
}

// replacer takes words out, long ones before their parts.
func replacer(words map[string]bool) *strings.Replacer {
	sorted := make([]string, 0, len(words))
	for word := range words {
		sorted = append(sorted, word)
	}
	sort.Slice(sorted, func(i, j int) bool { return len(sorted[i]) > len(sorted[j]) })
	var pairs []string
	for _, word := range sorted {
		pairs = append(pairs, word, "…")
	}
	return strings.NewReplacer(pairs...)
}

// quote returns the beginning of a text, at most so many bytes and an ellipsis,
// on one line, of printable characters and without words of the URL.
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
