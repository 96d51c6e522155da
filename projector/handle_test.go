package projector

import (
	"context"
	"strings"
	"testing"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
)

// ownRecords counts the records of what the projector wrote itself, and how many
// of their images were asked for.
type ownRecords struct {
	backend.Stream

	seen, decoded int
}

func (s *ownRecords) Records(ctx context.Context, iterator string, limit int) (backend.RecordPage, error) {
	page, err := s.Stream.Records(ctx, iterator, limit)
	for i := range page.Records {
		r := &page.Records[i]
		if strings.HasPrefix(r.Key.SK, postroom.MessagePrefix) {
			continue
		}
		s.seen++
		image := r.NewImage
		r.NewImage = func() (backend.Item, error) {
			s.decoded++
			return image()
		}
	}
	return page, err
}

// The projector's own writes come back in the stream. Their keys say enough.
func TestOwnRecordsAreSkippedByTheirKeys(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		config := r.config()
		own := &ownRecords{Stream: config.Stream}
		config.Stream = own
		r.p = New(config, Options{})
		r.post(conversationOf(1, 3, 20)...)
		r.run()
		r.settled()
		r.end()
		if own.seen < 4 || own.decoded > 0 {
			t.Errorf("of %d records of its own %d were decoded", own.seen, own.decoded)
		}
	})
}
