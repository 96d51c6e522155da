package postroom

import (
	"fmt"

	"github.com/google/uuid"
)

// PairNamespace is the UUID namespace of conversations between two people: the
// UUIDv5 of the URL https://github.com/postroom/postroom/pair.
var PairNamespace = uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://github.com/postroom/postroom/pair"))

// pairFormat is the version of the uuids that are derived from two people. RFC 9562
// leaves the meaning of version 8 to whoever uses it; here no other conversation can
// have one.
const pairFormat = 8

// PairUUID returns the conversation of two people, in whatever order they are given: the
// UUIDv5, in [PairNamespace], of the two sorted uuids joined by ":", with 8 as its
// version. Both must be canonical, see [CheckUUID].
//
// Such a conversation proves itself: its version says that it is derived, and then
// [Message.Validate] accepts no message that opens it for anybody else.
func PairUUID(a, b string) string {
	if b < a {
		a, b = b, a
	}
	id := uuid.NewSHA1(PairNamespace, []byte(a+":"+b))
	id[6] = id[6]&0x0f | pairFormat<<4
	return id.String()
}

// IsDerived reports whether a conversation is derived from its two members, by its uuid
// alone. Then its members are certain before any message names them.
func IsDerived(groupUUID string) bool {
	id, err := uuid.Parse(groupUUID)
	return err == nil && id.Version() == pairFormat
}

// checkDerived returns an error if a message opens a derived conversation for others
// than the two from whom it is derived.
func checkDerived(groupUUID string, members []Member) error {
	if !IsDerived(groupUUID) {
		return nil
	}
	if len(members) != MinMembers {
		return fmt.Errorf("message_group_uuid: %s is of version %d and belongs to the two people from whom it is derived; "+
			"this message names %d members, whose conversation needs a random uuid (version 4)", groupUUID, pairFormat, len(members))
	}
	if own := PairUUID(members[0].UserUUID, members[1].UserUUID); own != groupUUID {
		return fmt.Errorf("message_group_uuid: %s is of version %d and belongs to the two people from whom it is derived; "+
			"the conversation of %s and %s is %s", groupUUID, pairFormat, members[0].UserUUID, members[1].UserUUID, own)
	}
	return nil
}
