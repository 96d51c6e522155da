package directory

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/secure/bidirule"
	"golang.org/x/text/secure/precis"
	"golang.org/x/text/width"

	"github.com/postroom/postroom"
)

// Bounds of a handle, as it is written and as it is folded.
const (
	// MaxHandleRunes is one less than what a message has room for, since a message may
	// have the handle with an @ before it.
	MaxHandleRunes = postroom.MaxNameRunes - 1
	// MaxHandleBytes is the length of a handle of the AT Protocol.
	// Source: AT Protocol, Handle, "maximum length of 253 characters", which are ASCII.
	MaxHandleBytes = 253
)

// signs are the characters of a handle that are neither letters nor digits: those of a
// domain name and of an IRC nickname. Left out are what separates the parts of an address,
// what a shell or a page reads as its own, and the @.
const signs = "-._[]{}|^`"

// CheckHandle returns an error unless s can be a handle. A handle has letters, digits and
// the signs - . _ [ ] { } | ^ and `, at least one letter or digit among them, at most
// [MaxHandleRunes] characters and [MaxHandleBytes] bytes. An @ before it is no part of it.
// Refused is what cannot be told from something else: invisible characters, compatibility
// forms, marks that stand alone or pile up, digits of several systems, and a mixture of
// scripts that is not that of Japanese, Chinese or Korean with Latin (Unicode Technical
// Standard 39, "Highly Restrictive"). The error says which character it is, where, and what
// to do. A uuid is refused too, so that nobody's handle looks like somebody's uuid.
func CheckHandle(s string) error {
	_, _, err := parseHandle(s)
	return err
}

// FoldHandle returns the form by which a handle is compared: of two handles with the same
// form only one can be taken. It has no @, and is without differences of case, of width and
// of how marks are composed. The error is that of [CheckHandle].
func FoldHandle(s string) (string, error) {
	_, folded, err := parseHandle(s)
	return folded, err
}

// parseHandle returns a handle as it is stored and as it is compared.
func parseHandle(s string) (handle, folded string, err error) {
	handle, folded, err = foldHandle(strings.TrimPrefix(s, "@"))
	if err != nil {
		return "", "", fmt.Errorf("handle %.100q: %w", s, err)
	}
	return handle, folded, nil
}

func foldHandle(s string) (handle, folded string, err error) {
	if err := checkLength(s); err != nil {
		return "", "", err
	}
	if err := checkCharacters(s); err != nil {
		return "", "", err
	}
	if handle, err = precis.UsernameCasePreserved.String(s); err != nil {
		return "", "", unclear(err)
	}
	if folded, err = fold(handle); err != nil {
		return "", "", err
	}
	if err := cmp.Or(checkLength(handle), checkLength(folded)); err != nil {
		return "", "", err
	}
	// What is composed or folded is another text: it has to be clear, too.
	for _, form := range []string{handle, folded} {
		if err := checkCharacters(form); err != nil {
			return "", "", err
		}
	}
	if postroom.CheckUUID(folded) == nil {
		return "", "", errors.New("it is a uuid, and could be taken for a user's")
	}
	return handle, folded, nil
}

// fold is the username profile of PRECIS (RFC 8265), and full case folding, which also
// makes one of ß and ss, and of the forms of sigma.
func fold(handle string) (string, error) {
	once := func(s string) (string, error) { return precis.UsernameCaseMapped.String(cases.Fold().String(s)) }
	folded, err := once(handle)
	if err != nil {
		return "", unclear(err)
	}
	if again, err := once(folded); err != nil || again != folded {
		return "", unclear(errors.New("it has several folded forms"))
	}
	return folded, nil
}

func unclear(err error) error {
	if errors.Is(err, bidirule.ErrInvalid) {
		return errors.New("it has letters that are read from right to left, and does not begin with one of them, or ends in a sign: " +
			"write such a letter first, and a letter or a digit last")
	}
	return fmt.Errorf("it can be read in several ways (%w): write it with letters of one script", err)
}

func checkLength(s string) error {
	switch {
	case s == "":
		return errors.New("it is empty: it needs a letter or a digit")
	case !utf8.ValidString(s):
		return errors.New("it is not valid UTF-8")
	case len(s) > MaxHandleBytes:
		return fmt.Errorf("it has %d bytes, at most %d are allowed", len(s), MaxHandleBytes)
	}
	if n := utf8.RuneCountInString(s); n > MaxHandleRunes {
		return fmt.Errorf("it has %d characters, at most %d are allowed", n, MaxHandleRunes)
	}
	return nil
}

// checkCharacters checks the characters one by one, in the light of those before them.
func checkCharacters(s string) error {
	var before reading
	place := 0
	for _, r := range s {
		place++
		if wide, _ := utf8.DecodeRuneInString(width.Fold.String(string(r))); wide != r {
			r = wide // is folded, and must then be allowed
		}
		if why := before.refuses(r); why != "" {
			return fmt.Errorf("character %d is %q (%U), %s", place, r, r, why)
		}
	}
	if !before.visible {
		return errors.New("it has neither a letter nor a digit: add one")
	}
	return nil
}

// reading is what is known of a handle from its beginning.
type reading struct {
	last    rune
	marks   int  // on the last letter
	visible bool // there is a letter or a digit
	zero    rune // of the system of its digits
	scripts scripts
}

// maxMarks is how many marks a letter can have. Source: Unicode Technical Standard 39,
// "Optional Detection": sequences of more than 4 nonspacing marks.
const maxMarks = 4

// refuses adds a character, or says why it cannot be there.
func (b *reading) refuses(r rune) (why string) {
	last := b.last
	b.last = r
	switch {
	case strings.ContainsRune(signs, r):
		return ""
	case isIgnorable(r) || steers(r):
		return "which is invisible: leave it out"
	case unicode.IsSpace(r):
		return "which is white space: write - or _"
	case r == '@':
		return "which can only stand before the handle"
	case r < utf8.RuneSelf && !unicode.IsLetter(r) && !unicode.IsDigit(r):
		return "which is not one of the signs " + strings.Join(strings.Split(signs, ""), " ")
	case unicode.Is(unicode.M, r):
		return b.refusesMark(r, last)
	case !unicode.Is(unicode.Nd, r) && !precis.UsernameCasePreserved.Allowed().Contains(r): // digits have rules of their own there
		return "which is no letter or digit of its own: write the plain one"
	}
	b.marks, b.visible = 0, true
	if zero := zeroOf(r); zero != 0 {
		if b.zero != 0 && b.zero != zero {
			return "a digit of another system than those before it: write all digits alike"
		}
		b.zero = zero
	}
	return b.scripts.refuse(r)
}

// refusesMark is refuses for a mark, which belongs to the letter before it.
func (b *reading) refusesMark(r, last rune) (why string) {
	const dotAbove = 0x307
	switch b.marks++; {
	case !unicode.In(last, unicode.L, unicode.M):
		return "a mark without a letter: write one before it"
	case r == last:
		return "the same mark twice: leave it out"
	case b.marks > maxMarks:
		return fmt.Sprintf("a mark too many: a letter can have %d", maxMarks)
	case r == dotAbove && unicode.Is(unicode.Soft_Dotted, last):
		return "a dot on a letter that has one: leave it out"
	case !precis.UsernameCasePreserved.Allowed().Contains(r):
		return "which is no mark of a letter: leave it out"
	}
	return b.scripts.refuse(r)
}

// zeroOf returns the zero of the system of a digit, or 0 if r is no digit.
func zeroOf(r rune) rune {
	for _, t := range unicode.Nd.R16 {
		if rune(t.Lo) <= r && r <= rune(t.Hi) {
			return r - (r-rune(t.Lo))%10
		}
	}
	for _, t := range unicode.Nd.R32 {
		if rune(t.Lo) <= r && r <= rune(t.Hi) {
			return r - (r-rune(t.Lo))%10
		}
	}
	return 0
}
