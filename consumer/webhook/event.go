package webhook

import (
	"errors"
	"fmt"

	"github.com/postroom/postroom/internal/strictjson"
)

// maxIDBytes is more than any identifier needs, and below every server's limit of
// a header.
const maxIDBytes = 256

// eventID returns the id of an event, as it is sent in a header. An id must not
// contain a full stop, which separates it from the time in the signed text.
// Source: Standard Webhooks 1.0.0, Signature scheme.
func eventID(body string) (string, error) {
	var event struct {
		ID string `json:"id"`
	}
	if err := strictjson.DecodePart([]byte(body), &event); err != nil {
		return "", fmt.Errorf("webhook: the body is not an event in JSON: %w", err)
	}
	id := event.ID
	if id == "" {
		return "", errors.New("webhook: the body is not an event: it has no id")
	}
	if len(id) > maxIDBytes {
		return "", fmt.Errorf("webhook: the event's id has %d bytes, must have 1 to %d", len(id), maxIDBytes)
	}
	for _, c := range []byte(id) {
		if c <= ' ' || c > '~' || c == '.' {
			return "", fmt.Errorf("webhook: the event's id has the byte %#x, must be visible ASCII without a full stop", c)
		}
	}
	return id, nil
}
