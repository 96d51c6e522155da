package local

import "github.com/postroom/postroom/backend"

// moveEntry replaces the index entry of a step's old item by that of the new one. It
// returns the write units: one for each KB of each entry removed and written.
func (e *edit) moveEntry(s step) (units float64, err error) {
	old, err := s.old.item()
	if err != nil {
		return 0, err
	}
	was, err := e.def.indexKeyOf(old)
	if err != nil || was == s.indexKey {
		return 0, err
	}
	if was != (backend.Key{}) {
		if err := e.removeEntry(s.key, was); err != nil {
			return 0, err
		}
		units += e.def.entryUnits(s.key, was)
	}
	if s.indexKey != (backend.Key{}) {
		if err := e.addEntry(s.key, s.indexKey); err != nil {
			return 0, err
		}
		units += e.def.entryUnits(s.key, s.indexKey)
	}
	return units, nil
}

func (d *tableDef) entryUnits(key, indexKey backend.Key) float64 {
	return writeUnits(backend.ItemBytes(d.entryItem(key, indexKey)))
}

// addEntry adds an entry, which becomes visible after the index's lag.
func (e *edit) addEntry(key, indexKey backend.Key) error {
	_, err := e.exec(`INSERT INTO index_entries (tbl, index_pk, index_sk, pk, sk, from_at) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET until_at = NULL`,
		e.def.id, indexKey.PK, indexKey.SK, key.PK, key.SK, e.now.Add(e.b.settings.IndexLag).UnixMicro())
	return err
}

// removeEntry ends an entry. In a lagging index an entry disappears sooner than one
// that was added at the same moment appears: readers must cope with both orders,
// and this one is harder.
func (e *edit) removeEntry(key, indexKey backend.Key) error {
	lag := e.b.settings.IndexLag
	if lag == 0 {
		_, err := e.exec("DELETE FROM index_entries WHERE tbl = ? AND index_pk = ? AND index_sk = ? AND pk = ? AND sk = ?",
			e.def.id, indexKey.PK, indexKey.SK, key.PK, key.SK)
		return err
	}
	if _, err := e.exec(`UPDATE index_entries SET until_at = ?
WHERE tbl = ? AND index_pk = ? AND index_sk = ? AND pk = ? AND sk = ? AND until_at IS NULL`,
		e.now.Add(lag/2).UnixMicro(), e.def.id, indexKey.PK, indexKey.SK, key.PK, key.SK); err != nil {
		return err
	}
	// Each removal deletes a few entries that have ended, so that they do not pile up.
	_, err := e.exec(`DELETE FROM index_entries WHERE (tbl, index_pk, index_sk, pk, sk, from_at) IN (
SELECT tbl, index_pk, index_sk, pk, sk, from_at FROM index_entries
WHERE tbl = ? AND until_at <= ? ORDER BY until_at LIMIT 4)`, e.def.id, e.now.UnixMicro())
	return err
}

const (
	entryColumns = `SELECT index_sk, pk, sk FROM index_entries
WHERE tbl = ? AND index_pk = ? AND index_sk >= ? AND index_sk < ?`
	entryVisible = " AND from_at <= ? AND (until_at IS NULL OR until_at > ?)"

	// The bounds stand on one column and on a row of columns, since SQLite uses only
	// one of the two to find the place to start at.
	selectEntries = entryColumns + " AND (index_sk, pk, sk) > (?, ?, ?)" + entryVisible +
		" ORDER BY index_sk, pk, sk"
	selectEntriesDescending = entryColumns + " AND (index_sk, pk, sk) < (?, ?, ?)" + entryVisible +
		" ORDER BY index_sk DESC, pk DESC, sk DESC"
)

// queryIndex reads a page of an index.
func (t *tx) queryIndex(d *tableDef, q backend.Query) (backend.Page, error) {
	r := rangeOf(q.SKPrefix)
	after := []any{"", "", ""}
	statement := selectEntries
	if q.Descending {
		statement = selectEntriesDescending
		after = []any{endOfText, "", ""}
	}
	if q.After != (backend.Key{}) {
		if q.AfterIndex.PK != q.PK || !r.holds(q.AfterIndex.SK) {
			return backend.Page{}, errStart()
		}
		after = []any{q.AfterIndex.SK, q.After.PK, q.After.SK}
		if q.Descending {
			r.end = q.AfterIndex.SK + "\x00"
		} else {
			r.start = q.AfterIndex.SK
		}
	}
	at := t.now.UnixMicro()
	args := append([]any{d.id, q.PK, r.start, r.end}, after...)
	rows, err := t.rows(statement, append(args, at, at)...)
	if err != nil {
		return backend.Page{}, err
	}
	defer rows.Close()
	p := pager{limit: q.Limit}
	indexKey, lastIndex := backend.Key{PK: q.PK}, backend.Key{}
	for rows.Next() {
		var key backend.Key
		if err := rows.Scan(&indexKey.SK, &key.PK, &key.SK); err != nil {
			return backend.Page{}, err
		}
		item := d.entryItem(key, indexKey)
		if !p.fits(backend.ItemBytes(item)) {
			break
		}
		p.add(item, key)
		lastIndex = indexKey
		if p.full() {
			break
		}
	}
	page := p.result(false)
	if page.Last != nil {
		page.LastIndex = lastIndex
	}
	return page, rows.Err()
}
