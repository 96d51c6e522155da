package producer

import (
	"cmp"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/postroom/postroom"
)

// Draft is what a person writes, before it becomes a message.
type Draft struct {
	// From is the sender. An empty name is replaced by the handle and an empty handle
	// by the name; if both are empty, they become the beginning of the uuid. The same
	// goes for To.
	From postroom.Member
	// To has everybody else if the message may open the conversation: the message then
	// carries the members. It may be empty in a reply to GroupUUID.
	To []postroom.Member
	// GroupUUID is the conversation. If it is empty, one recipient means the
	// conversation of the pair, see [postroom.PairUUID], and several mean a new one.
	GroupUUID string
	// Text may be empty, for a message that is nothing but what the application
	// attaches to it.
	Text string
	// CreatedAt is the time of the message, which has it in UTC and rounded down to the
	// microsecond. Default: now.
	CreatedAt time.Time
	// MessageUUID distinguishes it from other messages of the same time. Default: a new
	// UUIDv7.
	MessageUUID string
}

// Compose makes a message from a draft and validates it. To post it again after an
// error, keep the message: composing again makes another one.
func (p *Producer) Compose(d Draft) (postroom.Message, error) {
	from := named(d.From)
	m := postroom.Message{
		GroupUUID:   d.GroupUUID,
		MessageUUID: d.MessageUUID,
		UserUUID:    from.UserUUID,
		DisplayName: from.DisplayName,
		Handle:      from.Handle,
		Text:        d.Text,
		CreatedAt:   postroom.RoundTime(d.CreatedAt),
	}
	if len(d.To) > 0 {
		m.Members = []postroom.Member{from}
		for _, to := range d.To {
			if to.UserUUID == from.UserUUID {
				return postroom.Message{}, errors.New("the sender is among the recipients: nobody can have a conversation with oneself")
			}
			m.Members = append(m.Members, named(to))
		}
		m.Members = postroom.SortedMembers(m.Members)
	}
	if d.CreatedAt.IsZero() {
		m.CreatedAt = postroom.RoundTime(p.now())
	}
	if err := identify(&m, d.To); err != nil {
		return postroom.Message{}, err
	}
	return m, m.Validate()
}

// identify fills in the uuids that the draft does not have.
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
