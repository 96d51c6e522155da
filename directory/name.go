package directory

import (
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/postroom/postroom"
)

// CheckDisplayName returns an error unless s can be a display name: 1 to
// [postroom.MaxNameRunes] characters in UTF-8, as in messages, one of them visible, without
// control characters, line breaks, and what changes the direction of the text around it.
func CheckDisplayName(s string) error {
	if s == "" {
		return errors.New("the display name is empty")
	}
	if !utf8.ValidString(s) {
		return fmt.Errorf("the display name %.100q is not valid UTF-8", s)
	}
	if n := utf8.RuneCountInString(s); n > postroom.MaxNameRunes {
		return fmt.Errorf("the display name %.100q… has %d characters, at most %d are allowed", s, n, postroom.MaxNameRunes)
	}
	visible, place := false, 0
	for _, r := range s {
		place++
		if steers(r) {
			return fmt.Errorf("the display name %q: character %d is %U, which %s: leave it out", s, place, r, effect(r))
		}
		visible = visible || isVisible(r)
	}
	if !visible {
		return fmt.Errorf("the display name %q has no visible character: add a letter", s)
	}
	return nil
}

// steers reports whether r does something to the text around it: control characters, the
// separators of lines and paragraphs, and the embeddings, overrides and isolates of
// bidirectional text. Joiners and marks stay, since scripts and emoji need them.
func steers(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp) || changesDirection(r)
}

func changesDirection(r rune) bool { return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 }

// effect is what a character does that steers.
func effect(r rune) string {
	if changesDirection(r) {
		return "changes the direction of what follows"
	}
	return "is a control character"
}

// isVisible reports whether r alone can be seen.
func isVisible(r rune) bool {
	return unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.S) && !isIgnorable(r)
}

// isIgnorable reports whether r is shown as nothing.
// Source: Unicode, Default_Ignorable_Code_Point, without white space.
func isIgnorable(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}
