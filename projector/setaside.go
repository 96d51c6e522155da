package projector

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/trouble"
	"github.com/postroom/postroom/stream"
)

// A record that is set aside lies in the control table under ASIDE# and its
// conversation, sorted by time and event, its image compressed and split into
// parts. The first part is written last: once it is there, the record is whole.
const (
	asidePrefix    = "ASIDE#"
	asideElsewhere = asidePrefix + "-" // for partition keys that are no uuid
	asidePartBytes = 300 << 10

	attrReason   = "reason"
	attrWaiting  = "waiting" // for the message that names the members
	attrShard    = "shard"
	attrSequence = "sequence"
	attrEventID  = "event_id"
	attrRecordPK = "record_pk"
	attrRecordSK = "record_sk"
	attrAttempts = "attempts"
	attrParts    = "parts"
	attrImage    = "image"
)

// aside keeps records that cannot be processed, whole: a pointer into the
// stream would be dead after 24 hours.
type aside struct{ retrying }

// put sets a record aside and reports whether its message did not lie there
// before. The same record set aside again replaces itself.
//
// A message may come from the stream and from the log, at one time and from two
// workers. It lies there once, as the stream's, which says where it was. Each
// looks for the other's after it has put its own, so that one of them sees both.
func (a aside) put(ctx context.Context, r *stream.Record, reason error, attempts int, quiet bool) (bool, error) {
	if !fromLog(r) {
		if err := a.write(ctx, r, reason, attempts, quiet); err != nil {
			return false, err
		}
		there, err := a.drop(ctx, logRecord(backend.Item{backend.AttrPK: text(r.Key.PK), backend.AttrSK: text(r.Key.SK)}))
		return !there, err
	}
	but := r.EventID // set aside quietly before, it is owed to somebody now
	if quiet {
		but = ""
	}
	if there, err := a.holds(ctx, r.Key, but); there || err != nil {
		return false, err
	}
	if err := a.write(ctx, r, reason, attempts, quiet); err != nil {
		return false, err
	}
	twin, err := a.holds(ctx, r.Key, r.EventID)
	if err == nil && twin {
		_, err = a.drop(ctx, r)
	}
	return !twin, err
}

// holds reports whether a record of that key is set aside, other than that of
// one event.
func (a aside) holds(ctx context.Context, key backend.Key, but string) (bool, error) {
	q := backend.Query{PK: asideKey(key.PK), Consistent: true}
	for {
		page, err := a.query(ctx, q)
		if err != nil {
			return false, err
		}
		for _, item := range page.Items {
			if isFirstPart(backend.KeyOf(item)) && backend.Text(item, attrRecordPK) == key.PK &&
				backend.Text(item, attrRecordSK) == key.SK && backend.Text(item, attrEventID) != but {
				return true, nil
			}
		}
		if page.Last == nil {
			return false, nil
		}
		q.After = *page.Last
	}
}

// drop removes a record that is set aside, and reports whether it was.
func (a aside) drop(ctx context.Context, r *stream.Record) (there bool, err error) {
	first, err := a.get(ctx, asidePart(r, 0))
	if err != nil || first == nil {
		return false, err
	}
	parts, err := strconv.Atoi(backend.Number(first, attrParts))
	if err != nil {
		return true, fmt.Errorf("record set aside %q, %q: %s: %w", r.Key.PK, r.Key.SK, attrParts, err)
	}
	keys := []backend.Key{asidePart(r, 0)}
	for i := 1; i < parts; i++ {
		keys = append(keys, asidePart(r, i))
	}
	return true, a.delete(ctx, keys)
}

func (a aside) write(ctx context.Context, r *stream.Record, reason error, attempts int, quiet bool) error {
	image, err := compressImage(r)
	if err != nil {
		reason = fmt.Errorf("%w (and its image could not be kept: %w)", reason, err)
	}
	first := backend.Item{
		attrReason:   text(trouble.Brief(reason)),
		attrWaiting:  &types.AttributeValueMemberBOOL{Value: errors.Is(reason, errNoMembers)},
		attrShard:    text(r.Shard),
		attrSequence: text(r.Sequence),
		attrEventID:  text(r.EventID),
		attrRecordPK: text(r.Key.PK),
		attrRecordSK: text(r.Key.SK),
		attrAttempts: &types.AttributeValueMemberN{Value: strconv.Itoa(attempts)},
	}
	if quiet {
		first[attrQuiet] = flag(true)
	}
	parts := slices.Collect(slices.Chunk(image, asidePartBytes))
	first[attrParts] = &types.AttributeValueMemberN{Value: strconv.Itoa(len(parts))}
	for i := len(parts) - 1; i >= 0; i-- {
		item := backend.Item{}
		if i == 0 {
			item = first
		}
		item[attrImage] = &types.AttributeValueMemberB{Value: parts[i]}
		if err := a.putPart(ctx, r, i, item); err != nil {
			return err
		}
	}
	if len(parts) == 0 {
		return a.putPart(ctx, r, 0, first)
	}
	return nil
}

func (a aside) putPart(ctx context.Context, r *stream.Record, part int, item backend.Item) error {
	key := asidePart(r, part)
	item[backend.AttrPK], item[backend.AttrSK] = text(key.PK), text(key.SK)
	return retry(ctx, func() error {
		_, err := a.table.Put(ctx, item, backend.Condition{})
		return err
	})
}

// asidePart is the key of a part of a record.
func asidePart(r *stream.Record, part int) backend.Key {
	return backend.Key{
		PK: asideKey(r.Key.PK),
		SK: fmt.Sprintf("%s#%s#%03d", postroom.FormatTime(r.CreatedAt), r.EventID, part),
	}
}

func asideKey(pk string) string {
	if postroom.CheckUUID(pk) != nil {
		return asideElsewhere
	}
	return asidePrefix + pk
}

func compressImage(r *stream.Record) ([]byte, error) {
	if r.NewImage == nil {
		return nil, nil
	}
	item, err := r.NewImage()
	if err != nil || item == nil {
		return nil, err
	}
	data, err := backend.EncodeItem(item)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err = w.Write(data)
	err = errors.Join(err, w.Close())
	return b.Bytes(), err
}

// waiting is a message that was set aside for want of members.
type waiting struct {
	message postroom.Message
	quiet   bool          // nobody is owed a notification of it
	keys    []backend.Key // of its parts
	first   backend.Item  // the first of them
}

// keep says of a record that waited why it stays for good.
func (a aside) keep(ctx context.Context, w *waiting, reason error) error {
	item := maps.Clone(w.first)
	item[attrReason] = text(trouble.Brief(reason))
	item[attrWaiting] = &types.AttributeValueMemberBOOL{Value: false}
	return retry(ctx, func() error {
		_, err := a.table.Put(ctx, item, backend.Condition{})
		return err
	})
}

// waitingOf returns what was set aside of a conversation until somebody would
// name its members.
func (a aside) waitingOf(ctx context.Context, group string) ([]waiting, error) {
	var found []waiting
	var record []backend.Item // the parts of one record, the first one first
	flush := func() {
		if w, ok := decodeWaiting(record); ok {
			found = append(found, w)
		}
		record = nil
	}
	q := backend.Query{PK: asideKey(group), Consistent: true}
	for {
		page, err := a.query(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, item := range page.Items {
			if isFirstPart(backend.KeyOf(item)) {
				flush()
			}
			record = append(record, item)
		}
		if page.Last == nil {
			flush()
			return found, nil
		}
		q.After = *page.Last
	}
}

// decodeWaiting reads one record from its parts; false for one that is not
// whole or waits for nothing.
func decodeWaiting(parts []backend.Item) (waiting, bool) {
	var w waiting
	var image []byte
	for _, item := range parts {
		b, _ := item[attrImage].(*types.AttributeValueMemberB)
		if b == nil {
			return w, false
		}
		image = append(image, b.Value...)
		w.keys = append(w.keys, backend.KeyOf(item))
	}
	if len(parts) == 0 || !isFirstPart(w.keys[0]) {
		return w, false
	}
	if !isTrue(parts[0], attrWaiting) {
		return w, false
	}
	w.first, w.quiet = parts[0], isTrue(parts[0], attrQuiet)
	var err error
	w.message, err = decompressMessage(image)
	return w, err == nil
}

func isFirstPart(key backend.Key) bool { return strings.HasSuffix(key.SK, "#000") }

func decompressMessage(image []byte) (postroom.Message, error) {
	r, err := gzip.NewReader(bytes.NewReader(image))
	if err != nil {
		return postroom.Message{}, err
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return postroom.Message{}, err
	}
	item, err := backend.DecodeItem(data)
	if err != nil {
		return postroom.Message{}, err
	}
	return postroom.MessageFromItem(item)
}

// CountSetAside counts the records that are set aside in a control table.
func CountSetAside(ctx context.Context, control backend.Table) (int, error) {
	n := 0
	s := backend.Scan{Consistent: true}
	for {
		page, err := control.Scan(ctx, s)
		if err != nil {
			return 0, err
		}
		for _, item := range page.Items {
			if key := backend.KeyOf(item); strings.HasPrefix(key.PK, asidePrefix) && isFirstPart(key) {
				n++
			}
		}
		if page.Last == nil {
			return n, nil
		}
		s.After = *page.Last
	}
}
