package directory

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/postroom/postroom"
)

// DIDNamespace is the UUID namespace of users whom other systems know by a DID: the UUIDv5
// of the URL https://github.com/postroom/postroom/did.
var DIDNamespace = uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://github.com/postroom/postroom/did"))

// MaxDIDBytes bounds a DID. Source: AT Protocol, DID, "hard limit of 2 KB".
const MaxDIDBytes = 2 << 10

// ownDID begins the DID of a user of ours. The user's uuid follows.
const ownDID = "did:postroom:"

// UserDID returns the DID of a user of ours: did:postroom: and the uuid, which must be
// canonical, see [postroom.CheckUUID].
func UserDID(userUUID string) string { return ownDID + userUUID }

// ParseDID returns the user whom a DID means: the one that it names if it begins with
// did:postroom:, and otherwise the UUIDv5 of the DID in [DIDNamespace]. The DID is compared
// byte by byte. The error says what makes it none.
func ParseDID(did string) (userUUID string, err error) {
	if err := checkDID(did); err != nil {
		return "", fmt.Errorf("DID %.100q: %w", did, err)
	}
	user, own := strings.CutPrefix(did, ownDID)
	if !own {
		return uuid.NewSHA1(DIDNamespace, []byte(did)).String(), nil
	}
	if err := postroom.CheckUUID(user); err != nil {
		return "", fmt.Errorf("DID %.100q: %w", did, err)
	}
	return user, nil
}

// checkDID checks the syntax.
// Source: AT Protocol, DID, "AT Protocol DID Identifier Syntax".
func checkDID(did string) error {
	const (
		lower  = "abcdefghijklmnopqrstuvwxyz"
		within = lower + "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:%-"
	)
	if len(did) > MaxDIDBytes {
		return fmt.Errorf("it has %d bytes, at most %d are allowed", len(did), MaxDIDBytes)
	}
	rest, ok := strings.CutPrefix(did, "did:")
	if !ok {
		return errors.New("it must begin with did: and a method")
	}
	method, id, ok := strings.Cut(rest, ":")
	if !ok || method == "" || strings.Trim(method, lower) != "" {
		return errors.New("after did: come a method of lower-case letters, a colon, and an identifier")
	}
	if id == "" {
		return errors.New("it has no identifier after the method")
	}
	if wrong := strings.TrimLeft(id, within); wrong != "" {
		return fmt.Errorf("at %.10q: an identifier has ASCII letters, digits, and . _ : %% - only", wrong)
	}
	if last := id[len(id)-1]; last == ':' || last == '%' {
		return fmt.Errorf("it ends in %q, which must be followed by something", last)
	}
	return nil
}
