package quarantine

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/batch"
	"github.com/postroom/postroom/internal/item"
)

// firstPart ends the sort key of a record's first part.
const firstPart = "#000"

// Stored is a record as it is in quarantine, without its image.
type Stored struct {
	// ID names the record: CONVERSATION/TIME/EVENT.
	ID     string
	Key    backend.Key // of the message
	Reason string
	Origin Origin
	// Waiting says that it is requeued by itself once somebody names the members of
	// its conversation.
	Waiting       bool
	Silent        bool // nobody is owed a notification
	Attempts      int64
	CreatedAt     time.Time // of the record in the stream, or of the message in the log
	QuarantinedAt time.Time // the last time; zero: by a program that did not say
	EventID       string
	Shard         string // of the stream
	Sequence      string // of the stream

	first backend.Key // of its first part
	parts int
}

// Whole is a record with its image.
type Whole struct {
	Stored

	Image    backend.Item // nil: there is none, or it cannot be read
	ImageErr error        // why the image cannot be read
}

// ErrID is the error of an ID that names no record.
var ErrID = errors.New("the id of a quarantined record is CONVERSATION/TIME/EVENT, as `postroom quarantine list` prints it")

// Group returns the conversation of the record, or "-" where its key has none.
func (s *Stored) Group() string { return strings.TrimPrefix(s.first.PK, keyPrefix) }

// Place identifies where a record is. The zero Place is before the first one.
type Place struct{ key backend.Key }

// Place returns where the record is.
func (s *Stored) Place() Place { return Place{s.first} }

// ParseID returns the place that an ID names. The error is [ErrID].
func ParseID(id string) (Place, error) {
	group, rest, _ := strings.Cut(id, "/")
	at, event, ok := strings.Cut(rest, "/")
	if !ok || partition(group) != keyPrefix+group || at == "" || event == "" {
		return Place{}, ErrID
	}
	return Place{backend.Key{PK: keyPrefix + group, SK: at + "#" + event + firstPart}}, nil
}

// ID returns the ID that names a place.
func (p Place) ID() string {
	at, event, _ := strings.Cut(strings.TrimSuffix(p.key.SK, firstPart), "#")
	return strings.TrimPrefix(p.key.PK, keyPrefix) + "/" + at + "/" + event
}

// Reading says which records to read. The zero value reads all of them.
type Reading struct {
	Group string // the conversation, see [Stored.Group]; empty: any
	After Place  // the record to go on after
	// Damaged is called with each item that cannot be read and is left out.
	Damaged func(*item.DamageError)
}

// All reads the records of a control table, those of a conversation in the order of
// time, conversations in no particular order. The order stays the same. The first error
// ends the sequence. A record that is quarantined or removed meanwhile may be in it or
// not.
func All(ctx context.Context, control backend.Table, r Reading) iter.Seq2[*Stored, error] {
	table := batch.NewTable(control)
	items := table.Scan(ctx, backend.Scan{After: r.After.key, Consistent: true})
	if r.Group != "" {
		items = table.Query(ctx, backend.Query{PK: keyPrefix + r.Group, After: r.After.key, Consistent: true})
	}
	return func(yield func(*Stored, error) bool) {
		for it, err := range items {
			if err != nil {
				yield(nil, err)
				return
			}
			s, damage, err := decodeStored(it)
			switch {
			case err != nil:
				yield(nil, err)
				return
			case damage != nil && r.Damaged != nil:
				r.Damaged(damage)
			}
			if s != nil && !yield(s, nil) {
				return
			}
		}
	}
}

// decodeStored reads a record from its first part; nil: it is another item, or damaged.
// The error is that of a format that is not known.
func decodeStored(it backend.Item) (*Stored, *item.DamageError, error) {
	damage, err := check(it)
	key := backend.KeyOf(it)
	if damage != nil || err != nil || !isFirstPart(key) {
		return nil, damage, err
	}
	d := item.Loose(it)
	s := &Stored{
		Key:    backend.Key{PK: d.String(attrRecordPK), SK: d.String(attrRecordSK)},
		Reason: d.String(attrReason), Origin: Origin(d.String(attrOrigin)),
		Waiting: d.Bool(attrWaiting), Silent: d.Bool(attrSilent), Attempts: d.Int(attrAttempts, 0),
		EventID: d.String(attrEventID), Shard: d.String(attrShard), Sequence: d.String(attrSequence),
		QuarantinedAt: d.OptionalTime(attrQuarantinedAt), first: key, parts: parts(d),
	}
	s.ID = s.Place().ID()
	at, _, _ := strings.Cut(key.SK, "#")
	s.CreatedAt, _ = postroom.ParseTime(at) // zero where it is not known
	return s, nil, nil
}

// Load reads a record with its image; nil: there is none, or its first part is damaged.
func Load(ctx context.Context, control backend.Table, p Place) (*Whole, error) {
	var w *Whole
	var image []byte
	n := 0
	prefix := strings.TrimSuffix(p.key.SK, firstPart) + "#"
	for it, err := range batch.NewTable(control).Query(ctx, backend.Query{PK: p.key.PK, SKPrefix: prefix, Consistent: true}) {
		if err != nil {
			return nil, err
		}
		if w == nil {
			s, damage, err := decodeStored(it)
			if err != nil || damage != nil || s == nil || s.first != p.key {
				return nil, err
			}
			w = &Whole{Stored: *s}
		}
		if n++; n > maxParts {
			break
		}
		image = append(image, item.Loose(it).Bytes(attrImage)...)
	}
	switch {
	case w == nil || len(image) == 0:
	case n != w.parts:
		w.ImageErr = fmt.Errorf("%d of its %d parts are there", n, w.parts)
	default:
		w.Image, w.ImageErr = decompress(image)
	}
	return w, nil
}

// same is the condition that a record is there, that nobody has tried it again since it
// was read, and that nobody has been found since who is owed a notification of it.
func same(eventID string, attempts int64, reason string, silent bool) backend.Condition {
	return backend.Condition{Equals: backend.Item{
		attrEventID: item.String(eventID), attrAttempts: item.Int(attempts),
		attrReason: item.String(reason), attrSilent: item.Bool(silent),
	}}
}

// keys are those of the record's parts, the first part first.
func (s *Stored) keys() []backend.Key {
	keys := []backend.Key{s.first}
	for i := 1; i < s.parts; i++ {
		keys = append(keys, partKey(s.first, i))
	}
	return keys
}
