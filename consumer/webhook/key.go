package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
)

// The length of a key in bytes, and the prefix of its text.
// Source: Standard Webhooks 1.0.0, Signature scheme.
const (
	minKeyBytes = 24
	maxKeyBytes = 64
	keyPrefix   = "whsec_"
)

// redacted is all that a key ever reveals.
const redacted = keyPrefix + "(secret)"

// Key is a secret that sender and receiver share. Its bytes are never printed,
// logged or marshalled. The zero Key is not valid.
type Key struct {
	// secret is a function because printing by reflection shows unexported fields
	// and follows pointers.
	secret func() []byte
}

// ParseKey parses the text of a key: whsec_ and the base64 of 24 to 64 random
// bytes. Surrounding white space is ignored. An error does not quote the text.
func ParseKey(text string) (Key, error) {
	encoded, ok := strings.CutPrefix(strings.TrimSpace(text), keyPrefix)
	if !ok {
		return Key{}, fmt.Errorf("webhook: a key must begin with %s", keyPrefix)
	}
	// The decoder would skip line breaks; a receiver's may not.
	secret, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || strings.ContainsAny(encoded, "\r\n") {
		return Key{}, fmt.Errorf("webhook: after %s a key must be base64 with padding", keyPrefix)
	}
	if len(secret) < minKeyBytes || len(secret) > maxKeyBytes {
		return Key{}, fmt.Errorf("webhook: a key has %d bytes, must have %d to %d", len(secret), minKeyBytes, maxKeyBytes)
	}
	return Key{func() []byte { return secret }}, nil
}

// ParseKeys parses one or more keys separated by white space, such as a file with
// one on each line.
func ParseKeys(text string) ([]Key, error) {
	var keys []Key
	for i, field := range strings.Fields(text) {
		key, err := ParseKey(field)
		if err != nil {
			return nil, fmt.Errorf("%w (key %d)", err, i+1)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errNoKeys
	}
	return keys, nil
}

var errNoKeys = errors.New("webhook: no key to sign with")

// String returns a placeholder.
func (Key) String() string { return redacted }

// Format writes a placeholder, whatever the verb.
func (Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue returns a placeholder.
func (Key) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns a placeholder. JSON uses it.
func (Key) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// sign returns the value of webhook-signature: one signature for each key, so that
// a receiver that knows any of the keys accepts it.
func sign(keys []Key, id string, unixSeconds int64, body string) string {
	content := id + "." + strconv.FormatInt(unixSeconds, 10) + "." + body
	signatures := make([]string, len(keys))
	for i, key := range keys {
		mac := hmac.New(sha256.New, key.secret())
		_, _ = io.WriteString(mac, content)
		signatures[i] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return strings.Join(signatures, " ")
}
