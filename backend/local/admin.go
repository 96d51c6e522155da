package local

import (
	"context"
	"fmt"
	"regexp"

	"github.com/postroom/postroom/backend"
)

// tableDef is the definition of a table.
type tableDef struct {
	id   int64
	arn  string // of its stream; empty: none
	spec backend.TableSpec
}

const selectTable = `SELECT id, stream_arn, pk_name, sk_name, index_name, index_pk, index_sk, stream_view, protected, recovery, ttl
FROM tables WHERE name = ?`

// table reads the definition of a table.
func (t *tx) table(name string) (*tableDef, error) {
	d := &tableDef{spec: backend.TableSpec{Name: name}}
	var index backend.IndexSpec
	found, err := t.row(selectTable, []any{name}, &d.id, &d.arn, &d.spec.PartitionKey, &d.spec.SortKey,
		&index.Name, &index.PartitionKey, &index.SortKey,
		&d.spec.StreamView, &d.spec.DeletionProtection, &d.spec.PointInTimeRecovery, &d.spec.TimeToLive)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, fail(backend.KindNotFound, "there is no table %q", name)
	}
	if index.Name != "" {
		d.spec.Index = &index
	}
	return d, nil
}

// withTable gives f the definition of a table.
func withTable(name string, f func(*tx, *tableDef) error) func(*tx) error {
	return func(t *tx) error {
		def, err := t.table(name)
		if err != nil {
			return err
		}
		return f(t, def)
	}
}

// CreateTable creates a table and its stream.
func (b *Backend) CreateTable(ctx context.Context, spec backend.TableSpec) error {
	op := "CreateTable " + spec.Name
	if err := checkSpec(spec); err != nil {
		return b.wrap(op, err)
	}
	var index backend.IndexSpec
	if spec.Index != nil {
		index = *spec.Index
	}
	return b.write(ctx, op, func(t *tx) error {
		var id int64
		added, err := t.row(`INSERT INTO tables (name, stream_arn, pk_name, sk_name, index_name, index_pk, index_sk, stream_view, protected, recovery, ttl)
VALUES (?, '', ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING RETURNING id`,
			[]any{spec.Name, spec.PartitionKey, spec.SortKey, index.Name, index.PartitionKey, index.SortKey,
				spec.StreamView, spec.DeletionProtection, spec.PointInTimeRecovery, spec.TimeToLive}, &id)
		if err != nil {
			return err
		}
		if !added {
			return fail(backend.KindExists, "there is a table %q", spec.Name)
		}
		if spec.StreamView == "" {
			return nil
		}
		return t.createStream(id, spec.Name)
	})
}

// createStream names a table's stream and opens its first shard.
func (t *tx) createStream(id int64, name string) error {
	// On AWS the label is a time, to the millisecond. The table's number makes it
	// unique if a table is created twice within a millisecond.
	label := t.now.Format("2006-01-02T15:04:05.000")
	arn := fmt.Sprintf("arn:aws:dynamodb:local:000000000000:table/%s/stream/%s-%d", name, label, id)
	if _, err := t.exec("UPDATE tables SET stream_arn = ? WHERE id = ?", arn, id); err != nil {
		return err
	}
	t.wake(tableTopic(name))
	return t.openShard(id, "", 0, maxHash, 1)
}

// DescribeTable returns the shape of a table.
func (b *Backend) DescribeTable(ctx context.Context, name string) (backend.TableSpec, error) {
	var spec backend.TableSpec
	err := b.read(ctx, "DescribeTable "+name, withTable(name, func(_ *tx, d *tableDef) error {
		spec = d.spec
		return nil
	}))
	return spec, err
}

// SetDeletionProtection switches a table's protection on or off.
func (b *Backend) SetDeletionProtection(ctx context.Context, table string, on bool) error {
	return b.write(ctx, "SetDeletionProtection "+table, withTable(table, func(t *tx, d *tableDef) error {
		_, err := t.exec("UPDATE tables SET protected = ? WHERE id = ?", on, d.id)
		return err
	}))
}

// DeleteTable deletes a table, everything in it, and its stream.
func (b *Backend) DeleteTable(ctx context.Context, name string) error {
	return b.write(ctx, "DeleteTable "+name, withTable(name, func(t *tx, d *tableDef) error {
		if d.spec.DeletionProtection {
			return invalid("table %q is protected against deletion", name)
		}
		t.wake(tableTopic(name))
		return t.execAll(d.id,
			"DELETE FROM items WHERE tbl = ?",
			"DELETE FROM index_entries WHERE tbl = ?",
			"DELETE FROM records WHERE shard IN (SELECT num FROM shards WHERE tbl = ?)",
			"DELETE FROM shards WHERE tbl = ?",
			"DELETE FROM tables WHERE id = ?")
	}))
}

// Names of tables and indexes, and of attributes that are keys.
// Source: DynamoDB API reference, CreateTable.
var namePattern = regexp.MustCompile(`^[a-zA-Z0-9_.-]{3,255}$`)

const maxAttributeBytes = 255

func checkSpec(spec backend.TableSpec) error {
	if err := checkName("table", spec.Name); err != nil {
		return err
	}
	keys := map[string]string{"partition key": spec.PartitionKey, "sort key": spec.SortKey}
	if spec.Index != nil {
		if err := checkName("index", spec.Index.Name); err != nil {
			return err
		}
		keys["index partition key"], keys["index sort key"] = spec.Index.PartitionKey, spec.Index.SortKey
		if spec.Index.PartitionKey == spec.Index.SortKey {
			return invalid("both index keys are the attribute %q", spec.Index.SortKey)
		}
	}
	for role, name := range keys {
		if name == "" || len(name) > maxAttributeBytes {
			return invalid("the %s has a name of %d bytes, want 1 to %d", role, len(name), maxAttributeBytes)
		}
	}
	if spec.PartitionKey == spec.SortKey {
		return invalid("both keys are the attribute %q", spec.SortKey)
	}
	if spec.TimeToLive != "" {
		if err := checkTimeToLive(spec.TimeToLive); err != nil {
			return err
		}
	}
	if spec.StreamView != "" && spec.StreamView != streamView {
		return invalid("the local backend's streams carry %s, not %q", streamView, spec.StreamView)
	}
	return nil
}

// streamView is the only view of this backend's streams.
const streamView = "NEW_IMAGE"

func checkName(role, name string) error {
	if !namePattern.MatchString(name) {
		return invalid("%s name %q must have 3 to 255 characters: a-z, A-Z, 0-9, _, - and .", role, name)
	}
	return nil
}
