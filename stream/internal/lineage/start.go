package lineage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/stream/internal/lease"
)

// ErrStart says that a group cannot begin where it was asked to.
var ErrStart = errors.New("the group cannot begin there")

const (
	// Of a history; there only where the group does not begin at the trim horizon.
	attrStartAt       = "start_at"
	attrStartShard    = "start_shard"
	attrStartSequence = "start_sequence"

	// startPages is how many pages are read for the record that a group begins at.
	startPages = 5
)

// Start is where a group begins to read. Its fields are described at stream.Start.
type Start struct {
	Latest          bool
	At              time.Time
	Shard, Sequence string
}

func (s Start) encode(it backend.Item) {
	if !s.At.IsZero() {
		it[attrStartAt] = item.Time(s.At)
	}
	if s.Shard != "" {
		it[attrStartShard], it[attrStartSequence] = item.String(s.Shard), item.String(s.Sequence)
	}
}

func decodeStart(d *item.Decoder, it backend.Item) (s Start) {
	s.At = d.OptionalTime(attrStartAt)
	if it[attrStartShard] != nil || it[attrStartSequence] != nil {
		s.Shard, s.Sequence = d.String(attrStartShard), d.Sequence(attrStartSequence)
		d.Check(attrStartSequence, s.Shard != "" && s.Sequence != "" && !s.At.IsZero(), "a start at a record has its shard, its number and its time")
	}
	return s
}

// of is the start as it concerns one shard.
func (s Start) of(shard string) lease.Start {
	if shard == s.Shard {
		return lease.Start{At: s.At, Sequence: s.Sequence}
	}
	return lease.Start{At: s.At}
}

// startOf returns the start and the end that are in the leases of a group.
func startOf(leases map[string]lease.Lease) (s Start, until time.Time) {
	for _, l := range leases {
		until = Latest(until, l.Until)
		s.At = Latest(s.At, l.Start.At)
		if l.Start.Sequence != "" {
			s.Shard, s.Sequence = l.Shard, l.Start.Sequence
		}
	}
	return s, until
}

// start decides where the group begins on a stream that it reads for the first time,
// and up to when it reads. If it has read an older stream of the table it goes on:
// everything in this one is younger, unless it was to begin at a time.
func (s *Sync) start(ctx context.Context, others []string) (start Start, until time.Time, err error) {
	if len(others) == 0 {
		start, err = s.resolve(ctx, s.Start)
		return start, s.Until, err
	}
	it, err := s.Leases.Table.Get(ctx, HistoryKey(s.Leases.ID.Of(slices.Max(others))))
	if err != nil || it == nil {
		return start, s.Until, err
	}
	h, err := DecodeHistory(it)
	if item.AsDamaged(err) != nil {
		return start, s.Until, nil // from the trim horizon
	}
	return Start{At: h.Start.At}, h.Until, err
}

// resolve gives a start its time: that of the clock for the latest record, and that of
// the record for a sequence number.
func (s *Sync) resolve(ctx context.Context, start Start) (Start, error) {
	switch {
	case start.Latest:
		return Start{At: s.Now()}, nil
	case start.Shard == "":
		return start, nil
	}
	r, err := s.recordAt(ctx, start.Shard, start.Sequence)
	switch kind := backend.KindOf(err); {
	case kind == backend.KindTrimmed, kind == backend.KindNotFound, kind == backend.KindInvalid:
		return start, fmt.Errorf("%w: shard %s, sequence number %s: %w", ErrStart, start.Shard, start.Sequence, err)
	case err != nil:
		return start, err
	case r == nil || r.Sequence != start.Sequence:
		return start, fmt.Errorf("%w: shard %s has no record with the sequence number %s", ErrStart, start.Shard, start.Sequence)
	}
	start.At = r.CreatedAt
	return start, nil
}

// recordAt returns the first record at a sequence number or after it; nil: none comes.
func (s *Sync) recordAt(ctx context.Context, shard, sequence string) (*backend.Record, error) {
	at := backend.Position{Type: backend.AtSequence, Sequence: sequence}
	iterator, err := retry.Once(ctx, s.Call, func(ctx context.Context) (string, error) {
		return s.Stream.Iterator(ctx, s.ARN, shard, at)
	})
	for n := 0; err == nil && iterator != "" && n < startPages; n++ {
		var page backend.RecordPage
		page, err = retry.Once(ctx, s.Call, func(ctx context.Context) (backend.RecordPage, error) {
			return s.Stream.Records(ctx, iterator, 1)
		})
		if err == nil && len(page.Records) > 0 {
			return &page.Records[0], nil
		}
		iterator = page.Next
	}
	return nil, err
}

// reportExpiredStart reports what a group was to read and the stream did not hold, or
// may have dropped at any moment, when the group began: what lies between its start
// and the oldest record, or the beginning of the stream where its ARN says when that
// was.
func (s *Sync) reportExpiredStart(ctx context.Context, loss *LossError) error {
	oldest := Untrimmed(s.Now())
	if begun, ok := begunAt(loss.StreamARN); ok {
		oldest = Latest(oldest, begun.Truncate(time.Second)) // as the times of records are
	}
	if !loss.AfterTime.Before(oldest) {
		return nil
	}
	loss.Until, loss.Reason = UpTo(oldest, loss.Until), "the group begins before what the stream holds for certain"
	recorded, err := s.Record(ctx, loss)
	if err == nil && !recorded {
		err = loss
	}
	return err
}

// labelTime is how the label of a stream begins, in UTC.
// Source: DynamoDB Streams API reference, StreamDescription.
const labelTime = "2006-01-02T15:04:05.000"

// begunAt returns when a stream was switched on.
func begunAt(arn string) (t time.Time, ok bool) {
	label := arn[len(tableOf(arn)):]
	t, err := time.Parse(labelTime, label[:min(len(label), len(labelTime))])
	return t, err == nil
}
