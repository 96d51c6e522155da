package local

import (
	"context"
	"database/sql"
	"strconv"
	"strings"

	"github.com/postroom/postroom/backend"
)

// maxListedShards bounds one page of shards. Source: DynamoDB Streams API
// reference, DescribeStream.
const maxListedShards = 100

const selectShards = `SELECT id, parent FROM shards
WHERE tbl = ? AND num > ? AND (closed_at IS NULL OR closed_at >= ?) ORDER BY num LIMIT +?`

// Shards lists a page of shards, in the order of their creation.
func (s *stream) Shards(ctx context.Context, after string) (page backend.ShardPage, err error) {
	err = s.read(ctx, "Shards", func(t *tx, def *tableDef) error {
		start, err := shardNumber(after)
		if err != nil {
			return err
		}
		page.StreamARN = def.arn
		page.Shards, err = collect(t, scanShard, selectShards, def.id, start, t.horizon(), maxListedShards+1)
		if len(page.Shards) > maxListedShards {
			page.Shards = page.Shards[:maxListedShards]
			page.Last = page.Shards[maxListedShards-1].ID
		}
		return err
	})
	return page, err
}

// A shard's children have higher numbers than the shard.
const selectChildren = `SELECT id, parent FROM shards
WHERE tbl = ? AND num > ? AND parent = ? AND (closed_at IS NULL OR closed_at >= ?) ORDER BY num`

// Children lists the children of a shard, and no other shards. They exist from the
// moment at which the shard closes.
func (s *stream) Children(ctx context.Context, streamARN, parent string) (children []backend.Shard, err error) {
	err = s.read(ctx, "Children", func(t *tx, def *tableDef) error {
		num, err := shardNumber(parent)
		if err == nil && parent == "" {
			err = invalid("the parent has no name")
		}
		if err != nil {
			return err
		}
		if err := def.checkStream(streamARN); err != nil {
			return err
		}
		children, err = collect(t, scanShard, selectChildren, def.id, num, parent, t.horizon())
		return err
	})
	return children, err
}

func scanShard(rows *sql.Rows, shard *backend.Shard) error {
	return rows.Scan(&shard.ID, &shard.Parent)
}

// shardNumber returns the number at the end of a shard's id; 0 for an empty id.
func shardNumber(id string) (int64, error) {
	if id == "" {
		return 0, nil
	}
	num, err := strconv.ParseInt(id[strings.LastIndexByte(id, '-')+1:], 16, 64)
	if err != nil || !strings.HasPrefix(id, "shardId-") {
		return 0, invalid("%.80q is not a shard id", id)
	}
	return num, nil
}

// listedShard is a shard that can be read.
type listedShard struct {
	num, first, last int64
	closed           bool
}

// listedShard reads a shard that is not past the trim horizon.
func (t *tx) listedShard(def *tableDef, num int64) (listedShard, error) {
	s := listedShard{num: num}
	found, err := t.row(`SELECT first, last, closed_at IS NOT NULL FROM shards
WHERE num = ? AND tbl = ? AND (closed_at IS NULL OR closed_at >= ?)`,
		[]any{num, def.id, t.horizon()}, &s.first, &s.last, &s.closed)
	if err == nil && !found {
		err = fail(backend.KindNotFound, "requested resource not found: the stream of table %q has no such shard", def.spec.Name)
	}
	return s, err
}
