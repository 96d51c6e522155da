package quarantine

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/incident"
	"github.com/postroom/postroom/internal/item"
)

const (
	format = 1 // of every part

	keyPrefix = "QUARANTINE#"
	elsewhere = keyPrefix + "-" // of partition keys that are not uuids
	partBytes = 300 << 10
	// maxImageBytes bounds an image that is unpacked. An item takes less than nine
	// times its size as JSON, unless it is a list of thousands of numbers like 1E+125,
	// which no message is.
	maxImageBytes = 16 * backend.MaxItemBytes

	attrReason   = "reason"
	attrWaiting  = "waiting" // for the message that names the members
	attrOrigin   = "origin"
	attrSilent   = "silent"
	attrShard    = "shard"
	attrSequence = "sequence"
	attrEventID  = "event_id"
	attrRecordPK = "record_pk"
	attrRecordSK = "record_sk"
	attrAttempts = "attempts"
	// attrQuarantinedAt is missing where an older program wrote the item.
	attrQuarantinedAt = "quarantined_at"
	attrParts         = "parts"
	attrImage         = "image"
)

// Origin says where a record was read.
type Origin string

// The origins.
const (
	Stream Origin = "stream"
	Log    Origin = "log"
)

// Record is a message as it was read, which need not be one that can be decoded.
type Record struct {
	Origin    Origin
	Key       backend.Key
	CreatedAt time.Time
	EventID   string // of the stream; of a record of the log it follows from the key
	Shard     string // of the stream
	Sequence  string // of the stream
	// Silent says that nobody is owed a notification.
	Silent bool
	// Image returns the item, or nil where there is none.
	Image func() (backend.Item, error)
}

// LogRecord is an item of the log as a record.
func LogRecord(it backend.Item) Record {
	r := logRecord(backend.KeyOf(it))
	r.Image = func() (backend.Item, error) { return it, nil }
	return r
}

// logRecord has an event id that follows from the key, so that a message that is
// quarantined again replaces itself.
func logRecord(key backend.Key) Record {
	at, _, _ := postroom.ParseMessageKey(key.SK) // zero where the key is damaged
	sum := sha256.Sum256([]byte(key.PK + "|" + key.SK))
	return Record{Origin: Log, Key: key, CreatedAt: at, EventID: hex.EncodeToString(sum[:16])}
}

// partKey is the key of a part of a record.
func (r Record) partKey(part int) backend.Key {
	first := postroom.FormatTime(r.CreatedAt) + "#" + r.EventID + firstPart
	return partKey(backend.Key{PK: partition(r.Key.PK), SK: first}, part)
}

// partKey is the key of a part of the record with this first part.
func partKey(first backend.Key, part int) backend.Key {
	return backend.Key{PK: first.PK, SK: fmt.Sprintf("%s#%03d", strings.TrimSuffix(first.SK, firstPart), part)}
}

func partition(pk string) string {
	if postroom.CheckUUID(pk) != nil {
		return elsewhere
	}
	return keyPrefix + pk
}

func isFirstPart(key backend.Key) bool {
	return strings.HasPrefix(key.PK, keyPrefix) && strings.HasSuffix(key.SK, firstPart)
}

// encode makes the items of a record, the first part first.
func (r Record) encode(reason error, attempts int, waiting bool) []backend.Item {
	image, err := r.compress()
	if err != nil {
		reason = fmt.Errorf("%w (and its image could not be kept: %w)", reason, err)
	}
	chunks := slices.Collect(slices.Chunk(image, partBytes))
	first := item.New(r.partKey(0), format)
	first[attrReason] = item.String(incident.Brief(reason))
	first[attrWaiting] = item.Bool(waiting)
	first[attrOrigin] = item.String(string(r.Origin))
	first[attrSilent] = item.Bool(r.Silent)
	first[attrShard] = item.String(r.Shard)
	first[attrSequence] = item.String(r.Sequence)
	first[attrEventID] = item.String(r.EventID)
	first[attrRecordPK], first[attrRecordSK] = item.String(r.Key.PK), item.String(r.Key.SK)
	first[attrAttempts] = item.Int(int64(attempts))
	first[attrParts] = item.Int(int64(len(chunks)))
	parts := []backend.Item{first}
	for i, chunk := range chunks {
		if i > 0 {
			parts = append(parts, item.New(r.partKey(i), format))
		}
		parts[i][attrImage] = item.Bytes(chunk)
	}
	return parts
}

// maxParts is more than a record of the largest item takes.
const maxParts = 100

// parts returns how many items a record has, given the first.
func parts(first *item.Decoder) int {
	n := first.Int(attrParts, 0)
	first.Check(attrParts, n <= maxParts, "there are too many")
	return int(min(n, maxParts))
}

func (r Record) compress() ([]byte, error) {
	if r.Image == nil {
		return nil, nil
	}
	it, err := r.Image()
	if err != nil || it == nil {
		return nil, err
	}
	data, err := backend.EncodeItem(it)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err = w.Write(data)
	err = errors.Join(err, w.Close())
	return b.Bytes(), err
}

func decompress(image []byte) (backend.Item, error) {
	r, err := gzip.NewReader(bytes.NewReader(image))
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(r, maxImageBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxImageBytes {
		return nil, fmt.Errorf("the image has more than %d bytes, which no item has", maxImageBytes)
	}
	it, err := backend.DecodeItem(data)
	if n := backend.ItemBytes(it); n > backend.MaxItemBytes {
		return nil, fmt.Errorf("the image is an item of %d bytes, which no table holds", n)
	}
	return it, err
}
