package local

import (
	"context"
	"database/sql"
	"time"

	"github.com/postroom/postroom/backend"
)

// stream implements [backend.Stream].
type stream struct {
	b     *Backend
	table string
}

// read runs f with the stream's table in a transaction that reads.
func (s *stream) read(ctx context.Context, call string, f func(*tx, *tableDef) error) error {
	return s.b.read(ctx, call+" "+s.table, withTable(s.table, func(t *tx, def *tableDef) error {
		if def.arn == "" {
			return fail(backend.KindNotFound, "table %q has no stream", s.table)
		}
		return f(t, def)
	}))
}

// checkStream reports that the table's stream is no longer the named one.
func (d *tableDef) checkStream(arn string) error {
	if arn != d.arn {
		return fail(backend.KindNotFound, "requested resource not found: table %q no longer has the stream %q", d.spec.Name, arn)
	}
	return nil
}

// Iterator opens a shard at a position. A position is trimmed once the next record
// after it is trimmed; the position after the last trimmed record is still valid.
func (s *stream) Iterator(ctx context.Context, streamARN, shard string, at backend.Position) (string, error) {
	var it iterator
	err := s.read(ctx, "Iterator", func(t *tx, def *tableDef) error {
		num, err := shardNumber(shard)
		if err != nil {
			return err
		}
		if err := def.checkStream(streamARN); err != nil {
			return err
		}
		listed, err := t.listedShard(def, num)
		if err != nil {
			return err
		}
		it = iterator{shard: num, issued: t.now}
		return it.place(t, listed, at)
	})
	if err != nil {
		return "", err
	}
	return it.String(), nil
}

// place sets the iterator to a position in its shard.
func (it *iterator) place(t *tx, shard listedShard, at backend.Position) error {
	switch at.Type {
	case backend.TrimHorizon:
		it.after, it.horizon = shard.first-1, true
		return nil
	case backend.AtSequence, backend.AfterSequence:
	default:
		return invalid("there is no position type %d", at.Type)
	}
	num, ok := parseSequence(at.Sequence)
	if !ok || num < shard.first || num > shard.last {
		return invalid("invalid sequence number %.80q: it is not in the shard", at.Sequence)
	}
	it.after = num
	if at.Type == backend.AtSequence {
		it.after--
	}
	var createdAt int64
	found, err := t.row("SELECT created_at FROM records WHERE shard = ? AND num > ? ORDER BY num LIMIT 1",
		[]any{shard.num, it.after}, &createdAt)
	if err == nil && found && createdAt < t.horizon() {
		return errTrimmed()
	}
	return err
}

func errTrimmed() error {
	return fail(backend.KindTrimmed, "the position is older than %v and past the trim horizon", backend.StreamRetention)
}

const selectRecords = "SELECT num, created_at, event, pk, sk, size, image FROM records WHERE shard = ? AND num > ? ORDER BY num"

// Records reads a page from an iterator on.
func (s *stream) Records(ctx context.Context, iteratorText string, limit int) (page backend.RecordPage, err error) {
	err = s.read(ctx, "Records", func(t *tx, def *tableDef) error {
		it, ok := parseIterator(iteratorText)
		switch {
		case !ok:
			return invalid("invalid shard iterator")
		case limit < 1 || limit > backend.MaxRecords:
			return invalid("limit is %d, want 1 to %d", limit, backend.MaxRecords)
		}
		if t.now.Sub(it.issued) > iteratorLife {
			return fail(backend.KindExpired, "iterator expired: it was issued at %s, more than %v ago",
				it.issued.Format(time.RFC3339), iteratorLife)
		}
		shard, err := t.listedShard(def, it.shard)
		if err != nil {
			return err
		}
		if page.Records, err = it.read(t, limit); err != nil {
			return err
		}
		page.Tip = len(page.Records) == 0 // the limit is at least one
		if !shard.closed || it.after < shard.last {
			it.issued = t.now
			page.Next = it.String()
		}
		return nil
	})
	return page, err
}

// read reads a page of records and advances the iterator.
func (it *iterator) read(t *tx, limit int) ([]backend.Record, error) {
	rows, err := t.rows(selectRecords, it.shard, it.after)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	horizon := t.horizon()
	var records []backend.Record
	bytes := int64(0)
	for len(records) < limit && rows.Next() {
		var num, createdAt int64
		var r backend.Record
		var image sql.NullString
		if err := rows.Scan(&num, &createdAt, &r.Event, &r.Key.PK, &r.Key.SK, &r.SizeBytes, &image); err != nil {
			return nil, err
		}
		if createdAt < horizon && len(records) == 0 {
			if !it.horizon {
				return nil, errTrimmed()
			}
			it.after = num
			continue
		}
		if bytes += r.SizeBytes; bytes > backend.MaxRecordsBytes && len(records) > 0 {
			break
		}
		it.after, it.horizon = num, false
		r.EventID = eventID(it.shard, num)
		r.Sequence = sequence(num)
		r.CreatedAt = fromMicros(createdAt).Truncate(time.Second)
		r.NewImage = imageOf(image)
		records = append(records, r)
	}
	return records, rows.Err()
}

func imageOf(image sql.NullString) func() (backend.Item, error) {
	return func() (backend.Item, error) {
		if !image.Valid {
			return nil, nil
		}
		return backend.DecodeItem([]byte(image.String))
	}
}

// Changed returns a channel that is closed at once when this process appends
// records, and within 5 ms (250 ms if the file was idle) when another process does.
// It may also be closed without a cause.
func (s *stream) Changed() <-chan struct{} { return s.b.changed(tableTopic(s.table)) }
