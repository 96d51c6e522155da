package local

import "github.com/postroom/postroom/backend"

// draft is an item to be written. It is normalised, encoded and measured before the
// transaction begins.
type draft struct {
	item backend.Item // nil: delete the item under key
	key  backend.Key
	json string // "": delete the item
	size int
}

// newDraft checks and encodes an item.
func newDraft(item backend.Item) (draft, error) {
	normal, data, err := encode(item)
	if err != nil {
		return draft{}, err
	}
	size := backend.ItemBytes(normal)
	if size > backend.MaxItemBytes {
		return draft{}, invalid("item size has exceeded the maximum allowed size: %d bytes, at most %d", size, backend.MaxItemBytes)
	}
	return draft{item: normal, json: data, size: size}, nil
}

// encode returns an item in its normal form, and that as JSON.
func encode(item backend.Item) (normal backend.Item, data string, err error) {
	if normal, err = backend.NormalItem(item); err != nil {
		return nil, "", err
	}
	encoded, err := backend.EncodeItem(normal)
	return normal, string(encoded), err
}

// stored is the item under a key, if there is one.
type stored struct {
	json string // "": there is none
	size int
}

func (s stored) found() bool { return s.json != "" }

func (s stored) item() (backend.Item, error) {
	if !s.found() {
		return nil, nil
	}
	return backend.DecodeItem([]byte(s.json))
}

// edit is the writes of one transaction to one table.
type edit struct {
	*tx
	b      *Backend
	def    *tableDef
	shards []*openShard // the shards to which the edit appended records
}

// step is one write that was checked and not yet made.
type step struct {
	draft

	indexKey backend.Key
	old      stored
}

const selectItem = "SELECT item, size FROM items WHERE tbl = ? AND hash = ? AND pk = ? AND sk = ?"

func (t *tx) stored(def *tableDef, key backend.Key) (stored, error) {
	var s stored
	_, err := t.row(selectItem, []any{def.id, hashOf(key.PK), key.PK, key.SK}, &s.json, &s.size)
	return s, err
}

// prepare checks the key of a draft and reads the item under it.
func (e *edit) prepare(d draft) (step, error) {
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
	return s, err
}

// units returns the write units of the table that the step consumes, made or
// refused: those of the larger of the new item and the item that it replaces.
func (s step) units() float64 { return writeUnits(max(s.size, s.old.size)) }

// apply makes a step's write and appends its stream record. It returns the write units
// of the index.
func (e *edit) apply(s step) (indexUnits float64, err error) {
	if s.json == s.old.json { // the write changes nothing
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

// applyAll applies all steps and finishes the edit.
func (e *edit) applyAll(steps []step) (indexUnits float64, err error) {
	for _, s := range steps {
		n, err := e.apply(s)
		if err != nil {
			return 0, err
		}
		indexUnits += n
	}
	if err := e.expire(steps); err != nil {
		return 0, err
	}
	return indexUnits, e.finishShards()
}
