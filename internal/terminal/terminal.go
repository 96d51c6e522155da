// Package terminal prepares text of strangers for a terminal: a terminal shows it, and
// obeys none of it. Names, messages and errors of servers can hold sequences that move
// the cursor, rename the window, or reverse what follows.
package terminal

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// Bounds of what takes little room on a screen and much in memory.
const (
	maxClusterBytes = 64 // one character as people count: a family of four takes 25
	bytesPerColumn  = 32
)

// Line returns a text as one line that is at most width columns wide: white space of
// every kind becomes a space, and what Text replaces is replaced. A text that does not
// fit ends in an ellipsis.
func Line(s string, width int) string {
	rest := strings.Map(func(r rune) rune {
		if isSpace(r) {
			return ' '
		}
		return shown(r)
	}, s)
	var b strings.Builder
	used, fits, state := 0, 0, -1
	for rest != "" {
		var cluster string
		var columns int
		cluster, rest, columns, state = uniseg.FirstGraphemeClusterInString(rest, state)
		if len(cluster) > maxClusterBytes {
			cluster, columns = string(unicode.ReplacementChar), 1
		}
		if used += columns; used > width || b.Len()+len(cluster) > bytesPerColumn*width {
			return b.String()[:fits] + "…"
		}
		b.WriteString(cluster)
		if used < width {
			fits = b.Len()
		}
	}
	return b.String()
}

// Text returns a text of several lines without what steers a terminal: control
// characters other than tab and line feed, and characters that change the direction of
// what follows, become U+FFFD. Joiners and other invisible characters stay, since
// scripts and emoji need them.
func Text(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return r
		}
		return shown(r)
	}, s)
}

// JSON returns lines of JSON in which such characters are escaped. Their value is the
// same. The encoder has escaped the first 32 control characters already.
func JSON(lines []byte) []byte {
	steering := func(r rune) bool { return r >= 0x7f && steers(r) }
	if !bytes.ContainsFunc(lines, steering) {
		return lines
	}
	var b bytes.Buffer
	for len(lines) > 0 {
		r, size := utf8.DecodeRune(lines)
		if steering(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.Write(lines[:size])
		}
		lines = lines[size:]
	}
	return b.Bytes()
}

func shown(r rune) rune {
	if steers(r) {
		return unicode.ReplacementChar
	}
	return r
}

// isSpace reports whether r is white space of any kind.
func isSpace(r rune) bool { return unicode.IsSpace(r) || unicode.In(r, unicode.Z) }

// steers reports whether a terminal obeys r, or r changes the direction of what
// follows: control characters of both sets, and the embeddings, overrides and isolates
// of bidirectional text.
func steers(r rune) bool {
	return unicode.IsControl(r) || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}
