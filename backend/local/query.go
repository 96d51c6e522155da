package local

import (
	"context"
	"database/sql"
	"unicode/utf8"

	"github.com/postroom/postroom/backend"
)

// maxPageBytes is the size limit of a page of a Query or Scan. Source: DynamoDB API
// reference, Query.
const maxPageBytes = 1 << 20

// pager gathers a page. The page has at least one item, and otherwise ends before
// the item that would exceed 1 MB, or when it has as many items as the limit.
type pager struct {
	limit int
	page  backend.Page
	size  int
	last  backend.Key
	more  bool
}

// fits reports whether an item of so many bytes still fits on the page.
func (p *pager) fits(size int) bool {
	if len(p.page.Items) > 0 && p.size+size > maxPageBytes {
		p.more = true
		return false
	}
	p.size += size
	return true
}

func (p *pager) add(item backend.Item, key backend.Key) {
	p.page.Items = append(p.page.Items, item)
	p.last = key
}

func (p *pager) full() bool {
	p.more = p.limit > 0 && len(p.page.Items) == p.limit
	return p.more
}

func (p *pager) result(consistent bool) backend.Page {
	if p.more {
		p.page.Last = &p.last
	}
	p.page.Units = pageUnits(p.size, consistent)
	return p.page
}

// endOfText sorts after all valid UTF-8.
const endOfText = "\xff"

// textRange is the range of texts from start, included, to end, excluded.
type textRange struct{ start, end string }

// rangeOf returns the range of the texts that begin with a prefix.
func rangeOf(prefix string) textRange {
	if prefix == "" {
		return textRange{"", endOfText}
	}
	// No byte of valid UTF-8 is 0xff, so the last byte can be incremented.
	end := []byte(prefix)
	end[len(end)-1]++
	return textRange{prefix, string(end)}
}

func (r textRange) holds(s string) bool { return s >= r.start && s < r.end }

func errStart() error {
	return invalid("the exclusive start key is not within the key range of the query")
}

const (
	selectPartition           = "SELECT pk, sk, size, item FROM items WHERE tbl = ? AND hash = ? AND pk = ? AND sk >= ? AND sk < ? ORDER BY sk"
	selectPartitionDescending = selectPartition + " DESC"
)

// Query reads a page of one partition of the table or its index.
func (tb *table) Query(ctx context.Context, q backend.Query) (page backend.Page, err error) {
	if err := checkQuery(q); err != nil {
		return page, err
	}
	err = tb.read(ctx, func(t *tx, def *tableDef) (err error) {
		switch {
		case q.Index == "":
			page, err = t.queryItems(def, q)
		case def.spec.Index == nil || def.spec.Index.Name != q.Index:
			return invalid("the table does not have the specified index: %s", q.Index)
		default:
			page, err = t.queryIndex(def, q)
		}
		return err
	})
	return page, err
}

func checkQuery(q backend.Query) error {
	switch {
	case q.Index != "" && q.Consistent:
		return invalid("consistent reads are not supported on global secondary indexes")
	case q.Limit < 0:
		return invalid("limit %d is negative", q.Limit)
	case len(q.SKPrefix) > maxSKBytes || !utf8.ValidString(q.SKPrefix):
		return invalid("the sort key's prefix %.40q is longer than %d bytes or not valid UTF-8", q.SKPrefix, maxSKBytes)
	}
	return checkPart("of the query", q.PK, "hashkey", maxPKBytes)
}

func (t *tx) queryItems(d *tableDef, q backend.Query) (backend.Page, error) {
	r := rangeOf(q.SKPrefix)
	if q.After != (backend.Key{}) {
		if q.After.PK != q.PK || !r.holds(q.After.SK) {
			return backend.Page{}, errStart()
		}
		if q.Descending {
			r.end = q.After.SK
		} else {
			r.start = q.After.SK + "\x00" // the next possible text
		}
	}
	statement := selectPartition
	if q.Descending {
		statement = selectPartitionDescending
	}
	rows, err := t.rows(statement, d.id, hashOf(q.PK), q.PK, r.start, r.end)
	if err != nil {
		return backend.Page{}, err
	}
	p := pager{limit: q.Limit}
	err = p.read(rows)
	return p.result(q.Consistent), err
}

// read fills the page from rows of pk, sk, size and item, and closes them.
func (p *pager) read(rows *sql.Rows) error {
	defer rows.Close()
	for rows.Next() {
		var key backend.Key
		var size int
		var data sql.RawBytes
		if err := rows.Scan(&key.PK, &key.SK, &size, &data); err != nil {
			return err
		}
		if !p.fits(size) {
			break
		}
		item, err := backend.DecodeItem(data)
		if err != nil {
			return err
		}
		p.add(item, key)
		if p.full() {
			break
		}
	}
	return rows.Err()
}

// maxSegments is the limit of a parallel scan. Source: DynamoDB API reference, Scan.
const maxSegments = 1_000_000

const selectSegment = `SELECT pk, sk, size, item FROM items
WHERE tbl = ? AND hash <= ? AND (hash, pk, sk) > (?, ?, ?) ORDER BY hash, pk, sk`

// Scan reads a page of the table, or of a segment: of the partition keys whose
// hashes are in one range.
func (tb *table) Scan(ctx context.Context, s backend.Scan) (page backend.Page, err error) {
	if err := checkScan(s); err != nil {
		return page, err
	}
	segments := int64(max(s.Segments, 1))
	low := int64(s.Segment) * (maxHash + 1) / segments
	high := (int64(s.Segment)+1)*(maxHash+1)/segments - 1
	start := []any{low, "", ""}
	if s.After != (backend.Key{}) {
		hash := hashOf(s.After.PK)
		if hash < low || hash > high {
			return page, invalid("the exclusive start key is not in segment %d of %d", s.Segment, segments)
		}
		start = []any{hash, s.After.PK, s.After.SK}
	}
	err = tb.read(ctx, func(t *tx, def *tableDef) error {
		rows, err := t.rows(selectSegment, append([]any{def.id, high}, start...)...)
		if err != nil {
			return err
		}
		p := pager{limit: s.Limit}
		err = p.read(rows)
		page = p.result(s.Consistent)
		return err
	})
	return page, err
}

func checkScan(s backend.Scan) error {
	switch {
	case s.Segments < 0 || s.Segments > maxSegments:
		return invalid("a scan has 1 to %d segments, not %d", maxSegments, s.Segments)
	case s.Segment < 0 || s.Segment >= max(s.Segments, 1):
		return invalid("there is no segment %d of %d", s.Segment, max(s.Segments, 1))
	case s.Limit < 0:
		return invalid("limit %d is negative", s.Limit)
	case !utf8.ValidString(s.After.PK) || !utf8.ValidString(s.After.SK):
		return invalid("the exclusive start key is not valid UTF-8")
	}
	return nil
}
