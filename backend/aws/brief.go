package aws

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/aws/smithy-go"
)

// What of a server's words goes into errors, in bytes. Some servers quote the item that
// they complain about, or answer with a page.
const (
	maxCode    = 100
	maxMessage = 1 << 10
	maxReason  = 200 // of which a transaction may have a hundred
	maxWords   = 200
)

// brief returns the beginning of a server's words, on one line.
func brief(text string, maxBytes int) string {
	cut := len(text) > maxBytes
	if cut {
		text = text[:maxBytes]
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	if cut {
		text += "…"
	}
	return text
}

// words quotes an error answer that is none of AWS's.
func words(err error) string {
	var (
		api     smithy.APIError
		reading *smithy.DeserializationError
		text    string
	)
	switch {
	case errors.As(err, &api) && api.ErrorMessage() != unnamed:
		text = api.ErrorMessage()
	case errors.As(err, &reading):
		text = string(reading.Snapshot)
	}
	if text = strings.TrimSpace(brief(text, maxWords)); text == "" {
		return ""
	}
	return fmt.Sprintf(" (its words: %q)", text)
}
