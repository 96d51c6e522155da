package local

import (
	"github.com/postroom/postroom/backend"
)

// draft is an item to be written: in normal form, encoded and measured before
// the transaction begins.
type draft struct {
	item backend.Item // nil: delete what is under key
	key  backend.Key
	json string
	size int
}

// newDraft checks and encodes an item.
func newDraft(item backend.Item) (draft, error) {
	normal, err := normalItem(item, 1)
	if err != nil {
		return draft{}, err
	}
	size := backend.ItemBytes(normal)
	if size > backend.MaxItemBytes {
		return draft{}, invalid("item size has exceeded the maximum allowed size: %d bytes, at most %d", size, backend.MaxItemBytes)
	}
	data, err := backend.EncodeItem(normal)
	return draft{item: normal, json: string(data), size: size}, err
}

// stored is what is under a key.
type stored struct {
	found bool
	json  string
	size  int
}

func (s stored) item() (backend.Item, error) {
	if !s.found {
		return nil, nil
	}
	return backend.DecodeItem([]byte(s.json))
}

// edit is the writes of one transaction to one table.
type edit struct {
	*tx
	b      *Backend
	def    *tableDef
	shards []*openShard // those that the edit appended to
}

// step is one write, looked at and not yet done.
type step struct {
	draft

	indexKey backend.Key
	old      stored
	same     bool // writing changes nothing
}

const selectItem = "SELECT item, size FROM items WHERE tbl = ? AND hash = ? AND pk = ? AND sk = ?"

func (t *tx) stored(def *tableDef, key backend.Key) (stored, error) {
	var s stored
	found, err := t.row(selectItem, []any{def.id, hashOf(key.PK), key.PK, key.SK}, &s.json, &s.size)
	s.found = found
	return s, err
}

// look checks the keys of a draft and reads what is under them.
func (e *edit) look(d draft) (step, error) {
	s := step{draft: d}
	var err error
	if d.item == nil {
		err = e.def.checkKey(d.key)
	} else if s.key, err = e.def.keyOf(d.item); err == nil {
		s.indexKey, err = e.def.indexKeyOf(d.item)
	}
	if err != nil {
		return s, err
	}
	s.old, err = e.stored(e.def, s.key)
	if d.item == nil {
		s.same = !s.old.found
	} else {
		s.same = s.old.found && s.old.json == d.json
	}
	return s, err
}

// units is what the step takes of the table, done or refused: by the greater of
// what it writes and what it replaces.
func (s step) units() float64 { return writeUnits(max(s.size, s.old.size)) }

// do writes a step and its stream record, and returns what the index took.
func (e *edit) do(s step) (indexUnits float64, err error) {
	if s.same {
		return 0, nil
	}
	hash := hashOf(s.key.PK)
	if s.item == nil {
		_, err = e.exec("DELETE FROM items WHERE tbl = ? AND hash = ? AND pk = ? AND sk = ?", e.def.id, hash, s.key.PK, s.key.SK)
	} else {
		_, err = e.exec("REPLACE INTO items (tbl, hash, pk, sk, size, item, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
			e.def.id, hash, s.key.PK, s.key.SK, s.size, s.json, e.def.expiry(s.item))
	}
	if err != nil {
		return 0, err
	}
	if e.def.arn != "" {
		if err := e.record(s, hash); err != nil {
			return 0, err
		}
	}
	if e.def.spec.Index == nil {
		return 0, nil
	}
	return e.moveEntry(s)
}

// doAll does steps and finishes the edit.
func (e *edit) doAll(steps []step) (indexUnits float64, err error) {
	for _, s := range steps {
		n, err := e.do(s)
		if err != nil {
			return 0, err
		}
		indexUnits += n
	}
	if err := e.expire(steps); err != nil {
		return 0, err
	}
	return indexUnits, e.finish()
}

// finish writes what the edit kept for its end.
func (e *edit) finish() error {
	if len(e.shards) == 0 {
		return nil
	}
	e.wake(tableTopic(e.def.spec.Name))
	return e.finishShards()
}
