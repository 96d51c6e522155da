package local

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postroom/postroom/backend"
)

// version1 makes a file as the first version of the schema had it.
func version1(t *testing.T) string {
	t.Helper()
	statements, err := os.ReadFile(filepath.Join("testdata", "version1.sql"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "version1.db")
	execFile(t, path, string(statements))
	return path
}

// shape is the columns of all tables of a file, and what its indexes are of. The
// order of columns says nothing: those that came later stand at the end.
func shape(t *testing.T, b *Backend) map[string]string {
	t.Helper()
	c := <-b.writer
	defer func() { b.writer <- c }()
	all := map[string]string{}
	for _, query := range []string{
		`SELECT t.name || '.' || c.name, concat_ws(' ', c.type, c."notnull", c.dflt_value, c.pk)
			FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table'`,
		`SELECT t.name, coalesce(t.sql, '') FROM sqlite_schema t WHERE t.type = 'index'`,
		`SELECT name, value FROM settings WHERE name LIKE 'schema%'`,
	} {
		rows, err := c.QueryContext(context.Background(), query)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var what, is string
			if err := rows.Scan(&what, &is); err != nil {
				t.Fatal(err)
			}
			all[what] = is
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		rows.Close()
	}
	return all
}

func TestUpgradeMakesTheSameSchema(t *testing.T) {
	t.Parallel()
	path := version1(t)
	want := shape(t, open(t, Memory, Options{}))
	if len(want) < 50 {
		t.Errorf("only %d columns and indexes were seen", len(want))
	}
	for range 2 { // the second time it is upgraded already
		b := open(t, path, Options{})
		if diff := cmp.Diff(want, shape(t, b)); diff != "" {
			t.Errorf("not as a new file (-new +upgraded):\n%s", diff)
		}
		if want := (settings{Shards: 2, RollSize: 50}); b.settings != want {
			t.Errorf("settings %+v, want %+v", b.settings, want)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestUpgradeOfAnother opens a file with additions that only a later version knows,
// as one does that is rolled back.
func TestUpgradeOfAnother(t *testing.T) {
	t.Parallel()
	path := version1(t)
	execFile(t, path, "INSERT INTO settings VALUES ('schema_additions', 1000); "+additions[0])
	b := open(t, path, Options{})
	put(t, b.Table("postroom"), item("p"))
	if all := shape(t, b); all["schema_additions"] != "1000" {
		t.Errorf("the file has %s additions now", all["schema_additions"])
	}
}

func TestUpgradeKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	clock := newClock()
	b := open(t, version1(t), Options{Now: clock.now})
	spec, err := b.DescribeTable(t.Context(), "postroom")
	if err != nil {
		t.Fatal(err)
	}
	if spec.TimeToLive != "" || spec.Index == nil || spec.StreamView != streamView {
		t.Errorf("the table is %+v", spec)
	}
	table := b.Table("postroom")
	key := backend.Key{PK: "p", SK: "s"}
	if item, _, err := table.Get(t.Context(), key); err != nil || backend.Number(item, "until") != "1779359401" {
		t.Errorf("the item is %v, %v", item, err)
	}
	clock.advance(time.Minute)
	dead := b.Queue("dead.fifo")
	wantBodies(t, b.Queue("live.fifo"), "second") // the first was received as often as it may be
	if ds := wantBodies(t, dead, "first"); ds[0].Attributes != nil {
		t.Errorf("the message has attributes: %v", ds[0].Attributes)
	}
	if _, err := b.Queue("live.fifo").Send(t.Context(), []backend.SendEntry{
		{Body: "new", GroupID: "h", DeduplicationID: "3", Attributes: map[string]string{"a": "b"}},
	}); err != nil {
		t.Fatal(err)
	}
	if ds := wantBodies(t, b.Queue("live.fifo"), "new"); ds[0].Attributes["a"] != "b" {
		t.Errorf("the message has the attributes %v", ds[0].Attributes)
	}
	// Time to live works on what the old version wrote.
	if err := b.SetTimeToLive(t.Context(), "postroom", "until"); err != nil {
		t.Fatal(err)
	}
	put(t, table, item("t"))
	if item, _, err := table.Get(t.Context(), key); err != nil || item != nil {
		t.Errorf("the item is still there: %v, %v", item, err)
	}
}
