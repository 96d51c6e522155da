package aws

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/postroom/postroom/internal/terminal"
)

// What of a server's words goes into errors, on one line, in columns. Some servers quote
// the item that they complain about, or answer with a page.
const (
	maxCode    = 100
	maxMessage = 1 << 10
	maxReason  = 200 // of which a transaction may have a hundred
	maxWords   = 200
)

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
	if text = strings.TrimSpace(terminal.Line(text, maxWords)); text == "" {
		return ""
	}
	return fmt.Sprintf(" (its words: %q)", text)
}
