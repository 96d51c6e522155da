package local

import (
	"fmt"
	"slices"

	"github.com/postroom/postroom/backend"
)

// openShard is a shard that takes records of a range of hashes.
type openShard struct {
	num         int64
	id          string
	low, high   int64
	first, last int64 // numbers of its records
	from        int64 // last at the beginning of the edit
}

// openShard creates a shard whose first record will have the number first.
func (t *tx) openShard(tbl int64, parent string, low, high, first int64) error {
	var num int64
	if _, err := t.row(`INSERT INTO shards (tbl, id, parent, low, high, first, last) VALUES (?, '', ?, ?, ?, ?, ?) RETURNING num`,
		[]any{tbl, parent, low, high, first, first - 1}, &num); err != nil {
		return err
	}
	// The number makes ids unique where shards open within one millisecond.
	id := fmt.Sprintf("shardId-%020d-%08x", t.now.UnixMilli(), num)
	_, err := t.exec("UPDATE shards SET id = ? WHERE num = ?", id, num)
	return err
}

// shardFor returns the open shard of a hash; an edit reads each shard once. A full
// shard is closed and replaced by its children first.
func (e *edit) shardFor(hash int64) (*openShard, error) {
	i := slices.IndexFunc(e.shards, func(s *openShard) bool { return s.low <= hash && hash <= s.high })
	if i < 0 {
		s, err := e.loadShard(hash)
		if err != nil {
			return nil, err
		}
		i = len(e.shards)
		e.shards = append(e.shards, s)
	}
	s := e.shards[i]
	if s.last-s.first+1 < int64(e.b.settings.RollSize) {
		return s, nil
	}
	e.shards = slices.Delete(e.shards, i, i+1)
	if err := e.roll(s); err != nil {
		return nil, err
	}
	return e.shardFor(hash)
}

func (e *edit) loadShard(hash int64) (*openShard, error) {
	s := &openShard{}
	found, err := e.row(`SELECT num, id, low, high, first, last FROM shards
WHERE tbl = ? AND low <= ? AND closed_at IS NULL ORDER BY low DESC LIMIT 1`,
		[]any{e.def.id, hash}, &s.num, &s.id, &s.low, &s.high, &s.first, &s.last)
	s.from = s.last
	if err == nil && !found {
		err = fmt.Errorf("the stream of table %q has no open shard for hash %d", e.def.spec.Name, hash)
	}
	return s, err
}

// roll closes a shard. The shard gets two children if there may be one more open
// shard, and one child otherwise.
func (e *edit) roll(s *openShard) error {
	if _, err := e.exec("UPDATE shards SET last = ?, closed_at = ? WHERE num = ?", s.last, e.now.UnixMicro(), s.num); err != nil {
		return err
	}
	var open int
	if _, err := e.row("SELECT count(*) FROM shards WHERE tbl = ? AND closed_at IS NULL", []any{e.def.id}, &open); err != nil {
		return err
	}
	if open+2 > e.b.settings.Shards || s.low == s.high {
		return e.openShard(e.def.id, s.id, s.low, s.high, s.last+1)
	}
	middle := s.low + (s.high-s.low)/2
	if err := e.openShard(e.def.id, s.id, s.low, middle, s.last+1); err != nil {
		return err
	}
	return e.openShard(e.def.id, s.id, middle+1, s.high, s.last+1)
}

// record appends the record of a step.
func (e *edit) record(s step, hash int64) error {
	shard, err := e.shardFor(hash)
	if err != nil {
		return err
	}
	shard.last++
	event, size := "MODIFY", backend.ItemBytes(e.def.keyItem(s.key))+s.size
	var image any = s.json
	switch {
	case s.item == nil:
		event, image = "REMOVE", nil
	case !s.old.found():
		event = "INSERT"
	}
	_, err = e.exec("INSERT INTO records (shard, num, created_at, event, pk, sk, size, image) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		shard.num, shard.last, e.now.UnixMicro(), event, s.key.PK, s.key.SK, size, image)
	return err
}

// trimEvery is how many records are appended to a shard between two steps of
// trimming. Each step removes at most trimRecords: more than were appended, so that
// trimming catches up.
const (
	trimEvery   = 64
	trimRecords = 4 * trimEvery
)

// finishShards stores how far the shards of the edit have come, and trims.
func (e *edit) finishShards() error {
	if len(e.shards) > 0 {
		e.wake(tableTopic(e.def.spec.Name))
	}
	for _, s := range e.shards {
		if _, err := e.exec("UPDATE shards SET last = ? WHERE num = ?", s.last, s.num); err != nil {
			return err
		}
		if s.last/trimEvery != s.from/trimEvery {
			if err := e.trim(); err != nil {
				return err
			}
		}
	}
	return nil
}

// trim makes one step at removing the shard that was closed first, once it is past
// the trim horizon and can no longer be read.
func (e *edit) trim() error {
	var num int64
	found, err := e.row("SELECT num FROM shards WHERE tbl = ? AND closed_at < ? ORDER BY closed_at LIMIT 1",
		[]any{e.def.id, e.horizon()}, &num)
	if err != nil || !found {
		return err
	}
	removed, err := e.exec(`DELETE FROM records WHERE shard = ?
AND num < (SELECT num + ? FROM records WHERE shard = ? ORDER BY num LIMIT 1)`, num, trimRecords, num)
	if err != nil || removed == trimRecords {
		return err
	}
	_, err = e.exec("DELETE FROM shards WHERE num = ?", num)
	return err
}

// horizon returns the time before which records are trimmed.
func (t *tx) horizon() int64 { return t.now.Add(-backend.StreamRetention).UnixMicro() }
