package inbox

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// ErrCursor says that a cursor is damaged, has another version, or belongs to another
// list. The error says which.
var ErrCursor = errors.New("invalid cursor")

// kind is the kind of a list's elements.
type kind byte

const (
	conversations kind = 'c'
	messages      kind = 'm'
)

// list identifies the list that a cursor is bound to.
type list struct {
	kind   kind
	pk     string
	prefix string // of the sort keys
}

// A cursor is, in base64 for URLs: version, kind, a hash of the list, the sort key of
// the last item read, a checksum of all that. It reveals nothing that its holder has
// not read, and needs no secret: a forged one is a position in a list that its holder
// may read anyway.
const (
	cursorVersion = 1
	hashBytes     = 8
	sumBytes      = 4
	cursorHeader  = 2 + hashBytes
)

func (l list) cursor(sk string) string {
	b := append([]byte{cursorVersion, byte(l.kind)}, l.hash()...)
	b = append(b, sk...)
	return base64.RawURLEncoding.EncodeToString(append(b, sum(b)...))
}

// position returns the sort key in a cursor of this list.
func (l list) position(cursor string) (string, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(b) <= cursorHeader+sumBytes {
		return "", fmt.Errorf("%w: it is not a cursor, or not a complete one", ErrCursor)
	}
	body, check := b[:len(b)-sumBytes], b[len(b)-sumBytes:]
	sk := string(body[cursorHeader:])
	switch {
	case !bytes.Equal(sum(body), check):
		return "", fmt.Errorf("%w: it is damaged", ErrCursor)
	case body[0] != cursorVersion:
		return "", fmt.Errorf("%w: it has version %d, this program knows version %d", ErrCursor, body[0], cursorVersion)
	case kind(body[1]) != l.kind:
		return "", fmt.Errorf("%w: it belongs to another kind of list", ErrCursor)
	case !bytes.Equal(body[2:cursorHeader], l.hash()), !strings.HasPrefix(sk, l.prefix):
		return "", fmt.Errorf("%w: it belongs to another %s", ErrCursor, l.owner())
	}
	return sk, nil
}

func (l list) owner() string {
	if l.kind == conversations {
		return "user's list"
	}
	return "conversation, or to another period of it"
}

func (l list) hash() []byte {
	h := sha256.Sum256([]byte(l.pk + "\x00" + l.prefix))
	return h[:hashBytes]
}

func sum(b []byte) []byte {
	h := sha256.Sum256(b)
	return h[:sumBytes]
}
