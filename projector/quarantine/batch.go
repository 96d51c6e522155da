package quarantine

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/batch"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/internal/option"
)

const (
	retryFormat = 1 // of a batch

	// retryPartition holds the batches, in the order in which they were asked for.
	retryPartition = "quarantine-retry"

	attrRate    = "rate"
	attrRecords = "records"

	// MaxBatch is how many records a [Batch] holds at most.
	MaxBatch = 50
	// maxRate bounds the rate of a batch, in records a second.
	maxRate = 10_000
	// maxKeyBytes bounds a partition key of a record in quarantine, and its sort key.
	maxKeyBytes = 1 << 10
)

// Batch is a few records that somebody has asked to be tried again: an item of the
// control table, which is deleted once all of them were.
type Batch struct {
	key     backend.Key
	rate    int
	records []backend.Key // first parts
}

// Ask asks for records to be tried again, at most [MaxBatch] of them and so many a second,
// 1 to 10,000. The leader of the worker group, or whoever runs [Retries.Lead], works the
// batches off in the order in which they were asked for.
func Ask(ctx context.Context, control backend.Table, records []*Stored, rate int) (Batch, error) {
	if err := errors.Join(option.Check("quarantine", "records", len(records), 1, MaxBatch), option.Check("quarantine", "rate", rate, 1, maxRate)); err != nil {
		return Batch{}, err
	}
	b := Batch{key: backend.Key{PK: retryPartition, SK: postroom.FormatTime(time.Now()) + "#" + rand.Text()}, rate: rate}
	for _, s := range records {
		b.records = append(b.records, s.first)
	}
	return b, batch.NewTable(control).Put(ctx, b.encode(), backend.Condition{})
}

// Pending reports whether a batch is still to be worked off.
func (b Batch) Pending(ctx context.Context, control backend.Table) (bool, error) {
	it, err := batch.NewTable(control).Get(ctx, b.key)
	return it != nil, err
}

// Withdraw takes back what was asked for. Records that are being tried just now still are.
func (b Batch) Withdraw(ctx context.Context, control backend.Table) error {
	return batch.NewTable(control).Delete(ctx, []backend.Key{b.key})
}

// Reread returns records as they are now, in their order; nil for one that is not in
// quarantine any more. One that is damaged by now is returned as it was.
func Reread(ctx context.Context, control backend.Table, records []*Stored) ([]*Stored, error) {
	keys := make([]backend.Key, len(records))
	for i, s := range records {
		keys[i] = s.first
	}
	found, err := batch.NewTable(control).GetAll(ctx, keys)
	if err != nil {
		return nil, err
	}
	now := make([]*Stored, len(records))
	for i, key := range keys {
		if found[key] == nil {
			continue
		}
		s, damage, err := decodeStored(found[key])
		if err != nil {
			return nil, err
		}
		if now[i] = s; damage != nil {
			now[i] = records[i]
		}
	}
	return now, nil
}

func (b Batch) encode() backend.Item {
	records := make([]backend.Item, len(b.records))
	for i, key := range b.records {
		records[i] = backend.Item{backend.AttrPK: item.String(key.PK), backend.AttrSK: item.String(key.SK)}
	}
	it := item.New(b.key, retryFormat)
	it[attrRate], it[attrRecords] = item.Int(int64(b.rate)), item.Maps(records)
	return it
}

func decodeBatch(it backend.Item) (Batch, error) {
	d := item.Decode(it, retryFormat)
	b := Batch{key: backend.KeyOf(it), rate: int(d.Int(attrRate, 1))}
	d.Check(attrRate, b.rate <= maxRate, "it is too high")
	seen := map[backend.Key]bool{}
	d.Maps(attrRecords, func(d *item.Decoder) {
		key := backend.Key{PK: d.String(backend.AttrPK), SK: d.String(backend.AttrSK)}
		first := isFirstPart(key) && len(key.PK) <= maxKeyBytes && len(key.SK) <= maxKeyBytes
		d.Check(backend.AttrSK, first && !seen[key], "it is not the key of a quarantined record, or comes twice")
		seen[key] = true
		b.records = append(b.records, key)
	})
	d.Check(attrRecords, len(b.records) <= MaxBatch, "there are too many")
	return b, d.Err()
}

// add counts the records of a batch.
func (n *Counts) add(b Batch) {
	n.Asked += len(b.records)
	if at := b.askedAt(); n.AskedAt.IsZero() || at.Before(n.AskedAt) {
		n.AskedAt = at
	}
}

// askedAt is when the batch was asked for; zero: its key does not say.
func (b Batch) askedAt() time.Time {
	text, _, _ := strings.Cut(b.key.SK, "#")
	at, _ := postroom.ParseTime(text)
	return at
}

// isBatch reports whether a key is that of a batch.
func isBatch(key backend.Key) bool { return key.PK == retryPartition }
