package backendtest

import (
	"context"
	"errors"
	"testing"

	"github.com/postroom/postroom/backend"
)

// removeTable deletes a table at the end of the test.
func removeTable(t *testing.T, h Harness, name string) {
	t.Helper()
	cleanup(t, "delete table "+name, func(ctx context.Context) error {
		return h.Backend.DeleteTable(ctx, name)
	})
}

// liftProtection lets removeTable, which must be called first, remove a protected
// table.
func liftProtection(t *testing.T, h Harness, name string) {
	t.Helper()
	cleanup(t, "lift the protection of table "+name, func(ctx context.Context) error {
		return h.Backend.SetDeletionProtection(ctx, name, false)
	})
}

// createProtected creates a protected table that is deleted at the end of the test.
func createProtected(t *testing.T, h Harness) backend.TableSpec {
	t.Helper()
	spec := newSpec()
	spec.DeletionProtection = true
	create(t, h, spec)
	liftProtection(t, h, spec.Name)
	return spec
}

func adminTests() []test {
	return []test{
		{"a table can be used once CreateTable has returned", func(t *testing.T, h Harness) {
			name := create(t, h, newSpec(withIndex, withStream))
			table := h.Backend.Table(name)
			put(t, table, newItem("p", "s"))
			_, err := table.Query(t.Context(), backend.Query{Index: indexName, PK: "none"})
			must(t, err)
			_, err = h.Backend.Stream(name).Shards(t.Context(), "")
			must(t, err)
		}},
		{"CreateTable of an existing name is KindExists", func(t *testing.T, h Harness) {
			spec := newSpec()
			create(t, h, spec)
			wantKind(t, h.Backend.CreateTable(t.Context(), spec), backend.KindExists)
			withIndex(&spec)
			wantKind(t, h.Backend.CreateTable(t.Context(), spec), backend.KindExists)
		}},
		{"DescribeTable returns the shape of a table", testDescribeTable},
		{"DescribeTable, SetDeletionProtection and DeleteTable of a missing table are KindNotFound", func(t *testing.T, h Harness) {
			_, err := h.Backend.DescribeTable(t.Context(), uniqueName("table"))
			wantKind(t, err, backend.KindNotFound)
			for _, on := range []bool{true, false} {
				wantKind(t, h.Backend.SetDeletionProtection(t.Context(), uniqueName("table"), on), backend.KindNotFound)
			}
			wantKind(t, h.Backend.DeleteTable(t.Context(), uniqueName("table")), backend.KindNotFound)
		}},
		{"DeleteTable deletes a table and everything in it", func(t *testing.T, h Harness) {
			spec := newSpec(withIndex, withStream)
			table := h.Backend.Table(create(t, h, spec))
			item := newItem("p", "s", indexPK, "g", indexSK, "m")
			put(t, table, item)
			must(t, h.Backend.DeleteTable(t.Context(), spec.Name))
			_, _, err := table.Get(t.Context(), backend.KeyOf(item))
			wantKind(t, err, backend.KindNotFound)

			must(t, h.Backend.CreateTable(t.Context(), spec))
			wantNone(t, table, backend.KeyOf(item))
			page, err := table.Query(t.Context(), backend.Query{Index: indexName, PK: "g"})
			must(t, err)
			wantEqual(t, len(page.Items), 0)
		}},
		{"DeleteTable of a protected table is KindInvalid", func(t *testing.T, h Harness) {
			if lacks(t, h.Capabilities.DeletionProtection, "DeletionProtection") {
				return
			}
			spec := createProtected(t, h)
			wantKind(t, h.Backend.DeleteTable(t.Context(), spec.Name), backend.KindInvalid)
			put(t, h.Backend.Table(spec.Name), newItem("p", "s"))
		}},
		{"SetDeletionProtection switches a table's protection on and off, and leaves its items alone", testProtect},
		{"the first use of a table that does not exist is KindNotFound", testMissingTable},
		{"a call returns soon after its context is done", testContextDone},
		{"calls after Close fail", func(t *testing.T, h Harness) {
			if lacks(t, h.Capabilities.Closes, "Closes") {
				return
			}
			spec := newSpec()
			must(t, h.Backend.CreateTable(t.Context(), spec))
			table := h.Backend.Table(spec.Name)
			must(t, h.Backend.Close())
			if _, err := table.Put(t.Context(), newItem("p", "s"), backend.Condition{}); err == nil {
				t.Fatal("a put after Close has no error")
			}
		}},
	}
}

func testDescribeTable(t *testing.T, h Harness) {
	plain := newSpec()
	full := newSpec(withIndex, withStream)
	full.PointInTimeRecovery = h.Capabilities.PointInTimeRecovery
	lacks(t, h.Capabilities.PointInTimeRecovery, "PointInTimeRecovery")
	if !lacks(t, h.Capabilities.TimeToLive, "TimeToLive") {
		full.TimeToLive = timeToLive
	}
	for _, want := range []backend.TableSpec{plain, full} {
		got, err := h.Backend.DescribeTable(t.Context(), create(t, h, want))
		must(t, err)
		wantEqual(t, got, want)
	}
	if lacks(t, h.Capabilities.DeletionProtection, "DeletionProtection") {
		return
	}
	protected := createProtected(t, h)
	got, err := h.Backend.DescribeTable(t.Context(), protected.Name)
	must(t, err)
	wantEqual(t, got, protected)
}

func testProtect(t *testing.T, h Harness) {
	if lacks(t, h.Capabilities.DeletionProtection, "DeletionProtection") {
		return
	}
	spec := newSpec(withIndex, withStream)
	name := create(t, h, spec)
	liftProtection(t, h, name)
	table, item := h.Backend.Table(name), newItem("p", "s")
	put(t, table, item)
	for _, on := range []bool{true, true, false, false} { // also if it is as wanted already
		must(t, h.Backend.SetDeletionProtection(t.Context(), name, on))
		got, err := h.Backend.DescribeTable(t.Context(), name)
		must(t, err)
		spec.DeletionProtection = on
		wantEqual(t, got, spec)
		if on {
			wantKind(t, h.Backend.DeleteTable(t.Context(), name), backend.KindInvalid)
		}
	}
	wantItem(t, table, item)
	must(t, h.Backend.DeleteTable(t.Context(), name))
}

// calls has every method of a table, each with a valid request.
func calls(table backend.Table) map[string]func(context.Context) error {
	item := newItem("p", "s")
	key := backend.KeyOf(item)
	return map[string]func(context.Context) error{
		"Get":      func(ctx context.Context) error { _, _, err := table.Get(ctx, key); return err },
		"BatchGet": func(ctx context.Context) error { _, _, _, err := table.BatchGet(ctx, []backend.Key{key}); return err },
		"Query":    func(ctx context.Context) error { _, err := table.Query(ctx, backend.Query{PK: "p"}); return err },
		"Scan":     func(ctx context.Context) error { _, err := table.Scan(ctx, backend.Scan{}); return err },
		"Put":      func(ctx context.Context) error { _, err := table.Put(ctx, item, backend.Condition{}); return err },
		"BatchWrite": func(ctx context.Context) error {
			_, _, err := table.BatchWrite(ctx, []backend.Write{{Put: item}})
			return err
		},
		"Transact": func(ctx context.Context) error {
			_, err := table.Transact(ctx, uniqueName("t"), []backend.Action{{Put: item}})
			return err
		},
	}
}

func testMissingTable(t *testing.T, h Harness) {
	for name, call := range calls(h.Backend.Table(uniqueName("table"))) {
		if err := call(t.Context()); backend.KindOf(err) != backend.KindNotFound {
			t.Errorf("%s: error is of kind %q: %v", name, backend.KindOf(err), err)
		}
	}
	_, err := h.Backend.Stream(uniqueName("table")).Shards(t.Context(), "")
	wantKind(t, err, backend.KindNotFound)
}

func testContextDone(t *testing.T, h Harness) {
	table := newTable(t, h)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range calls(table) {
		if err := call(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a cancelled context: %v", name, err)
		}
	}
}
