package postroom

import (
	"strings"

	"github.com/google/uuid"
)

// canaryPrefix begins the uuid of every canary's conversation. A random uuid begins so
// once in 2^60.
const canaryPrefix = "ca9a2a00-0000-5000-"

// CanaryNamespace is the UUID namespace of what belongs to a canary: the UUIDv5 of the URL
// https://github.com/postroom/postroom/canary.
var CanaryNamespace = uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://github.com/postroom/postroom/canary"))

// CanaryGroup returns the conversation of the canary of a name: the UUIDv5 of the name in
// [CanaryNamespace], of which the first half is the same for all canaries, so that
// everybody recognises it, see [IsCanary]. Package canary posts into it.
func CanaryGroup(name string) string {
	id := uuid.NewSHA1(CanaryNamespace, []byte(name)).String()
	return canaryPrefix + id[len(canaryPrefix):]
}

// IsCanary reports whether a conversation is that of a canary: its members are nobody, its
// messages measure how long messages take, and old ones are removed from the log. Whoever
// counts messages, or shows them to people, leaves it out.
func IsCanary(groupUUID string) bool { return strings.HasPrefix(groupUUID, canaryPrefix) }
