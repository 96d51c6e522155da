package producer

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/postroom/postroom"
)

// Draft is what a person writes, before it is a message.
type Draft struct {
	// From is the sender. A name or a handle that is empty is taken from the
	// other, and from the beginning of the uuid where both are. So it is with To.
	From postroom.Member
	// To is everybody else, if the message may open the conversation: it then
	// carries the members. It may be empty in a reply to GroupUUID.
	To []postroom.Member
	// GroupUUID is the conversation. Empty: with one recipient that of the
	// pair, see [postroom.PairUUID], with several a new one.
	GroupUUID string
	Text      string
	// CreatedAt is the time of the message. Zero: now.
	CreatedAt time.Time
	// MessageUUID tells it from others of the same time. Empty: a new one,
	// UUIDv7.
	MessageUUID string
}

// Compose makes a message of a draft and validates it. To post it again after
// an error, keep the message: composing anew makes another one.
func (p *Producer) Compose(d Draft) (postroom.Message, error) {
	from := named(d.From)
	m := postroom.Message{
		GroupUUID:   d.GroupUUID,
		MessageUUID: d.MessageUUID,
		UserUUID:    from.UserUUID,
		DisplayName: from.DisplayName,
		Handle:      from.Handle,
		Text:        d.Text,
		CreatedAt:   d.CreatedAt.UTC(),
	}
	if len(d.To) > 0 {
		m.Members = []postroom.Member{from}
		for _, to := range d.To {
			if to.UserUUID == from.UserUUID {
				return postroom.Message{}, errors.New("the sender is among the recipients: a conversation with oneself is none")
			}
			m.Members = append(m.Members, named(to))
		}
		slices.SortFunc(m.Members, func(a, b postroom.Member) int { return strings.Compare(a.UserUUID, b.UserUUID) })
	}
	if d.CreatedAt.IsZero() {
		m.CreatedAt = p.now().UTC().Truncate(time.Microsecond)
	}
	if err := identify(&m, d.To); err != nil {
		return postroom.Message{}, err
	}
	return m, m.Validate()
}

// identify fills in the uuids that the draft left open.
func identify(m *postroom.Message, to []postroom.Member) error {
	if m.GroupUUID == "" {
		switch len(to) {
		case 0:
			return errors.New("a message needs a recipient or a conversation")
		case 1:
			m.GroupUUID = postroom.PairUUID(m.UserUUID, to[0].UserUUID)
		default:
			id, err := uuid.NewRandom()
			if err != nil {
				return err
			}
			m.GroupUUID = id.String()
		}
	}
	if m.MessageUUID == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return err
		}
		m.MessageUUID = id.String()
	}
	return nil
}

func named(p postroom.Member) postroom.Member {
	short, _, _ := strings.Cut(p.UserUUID, "-")
	p.DisplayName, p.Handle = cmp.Or(p.DisplayName, p.Handle, short), cmp.Or(p.Handle, p.DisplayName, short)
	return p
}
