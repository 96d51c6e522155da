package directory

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// scripts are the scripts of a handle, in the order in which they appear.
type scripts struct{ names []string }

// together are the scripts that may be mixed, since people write them so.
// Source: Unicode Technical Standard 39, "Restriction-Level Detection", Highly Restrictive.
func together() [][]string {
	return [][]string{
		{"Latin", "Han", "Hiragana", "Katakana"},
		{"Latin", "Han", "Bopomofo"},
		{"Latin", "Han", "Hangul"},
	}
}

// refuse adds the script of a letter, mark or digit, or says why it cannot be there.
func (s *scripts) refuse(r rune) (why string) {
	name := scriptOf(r)
	switch {
	case name == "" || slices.Contains(s.names, name):
		return ""
	case name == "Common":
		return "which belongs to no script, and looks like a sign: leave it out"
	}
	with := append(slices.Clone(s.names), name)
	fits := len(with) == 1 || slices.ContainsFunc(together(), func(all []string) bool {
		return !slices.ContainsFunc(with, func(one string) bool { return !slices.Contains(all, one) })
	})
	if !fits {
		return fmt.Sprintf("which is %s among %s: write all letters in one script", name, strings.Join(s.names, " and "))
	}
	s.names = with
	return ""
}

// scriptOf returns the script of a character; empty if it goes with every script, as the
// ASCII digits do, and marks that many scripts have.
func scriptOf(r rune) string {
	const prolonged = 0x30fc // is Common, and used by these two alone: Script_Extensions
	switch {
	case r < utf8.RuneSelf && !unicode.IsLetter(r), unicode.Is(unicode.Inherited, r):
		return ""
	case r == prolonged:
		return "Katakana"
	case r >= 0x660 && r <= 0x669: // are Common, too
		return "Arabic"
	}
	for name, table := range unicode.Scripts {
		if unicode.Is(table, r) {
			return name
		}
	}
	return "Common"
}
