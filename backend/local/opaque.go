package local

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// opaque writes values without spaces as one text, which callers hold and give back.
func opaque(values ...any) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strings.TrimSpace(fmt.Sprintln(values...))))
}

// parseOpaque is the inverse of opaque. It reports whether a text was written so.
func parseOpaque(text string, values ...any) bool {
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return false
	}
	_, err = fmt.Sscan(string(data), values...)
	return err == nil
}
