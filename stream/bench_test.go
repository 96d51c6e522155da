//go:build unix

package stream

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/local"
)

// BenchmarkReader reads 200,000 records of the local backend through a Reader,
// and beside it with a bare loop over Records, in turn. It tells the processor
// time of a record, and the ratio of the two: the medians of all rounds.
//
//	go test -run - -bench Reader -benchtime 5x ./stream
func BenchmarkReader(b *testing.B) {
	const total = 200_000
	ctx := b.Context()
	store, err := local.Open(filepath.Join(b.TempDir(), "postroom.db"), local.Options{RollSize: total})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	create := func(name, view string) backend.Table {
		spec := backend.TableSpec{Name: name, PartitionKey: backend.AttrPK, SortKey: backend.AttrSK, StreamView: view}
		if err := store.CreateTable(ctx, spec); err != nil {
			b.Fatal(err)
		}
		return store.Table(name)
	}
	table := create("records", "NEW_IMAGE")
	var actions []backend.Action
	for n := range total {
		actions = append(actions, backend.Action{Put: backend.Item{
			backend.AttrPK: text(fmt.Sprintf("%036d", n%1000)), backend.AttrSK: text(fmt.Sprintf("MSG#%064d", n)),
			"message": text(strings.Repeat("a word ", 20)),
		}})
		if len(actions) == backend.MaxTransact {
			if _, err := table.Transact(ctx, fmt.Sprint(n), actions); err != nil {
				b.Fatal(err)
			}
			actions = nil
		}
	}
	stream := store.Stream("records")

	var loops, readers []float64 // ns of a record
	for n := 0; b.Loop(); n++ {
		control := create(fmt.Sprint("control", n), "")
		before := processorTime(b)
		readBare(b, stream, total)
		between := processorTime(b)
		readWhole(b, stream, control, total)
		after := processorTime(b)
		loops = append(loops, float64(between-before)/total)
		readers = append(readers, float64(after-between)/total)
	}
	loop, reader := median(loops), median(readers)
	b.ReportMetric(0, "ns/op") // of both together: says nothing
	b.ReportMetric(loop, "cpu-ns/record-bare")
	b.ReportMetric(reader, "cpu-ns/record")
	b.ReportMetric(reader/loop, "ratio")
}

// readBare reads a stream to its end as simply as can be.
func readBare(b *testing.B, stream backend.Stream, total int) {
	b.Helper()
	listed, err := list(b.Context(), stream)
	if err != nil {
		b.Fatal(err)
	}
	seen := 0
	for _, s := range listed.shards {
		it, err := stream.Iterator(b.Context(), listed.arn, s.ID, backend.Position{Type: backend.TrimHorizon})
		for n := 1; err == nil && it != "" && n > 0; {
			var page backend.RecordPage
			page, err = stream.Records(b.Context(), it, backend.MaxRecords)
			n, it = len(page.Records), page.Next
			seen += n
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	if seen != total {
		b.Fatalf("%d records, want %d", seen, total)
	}
}

// readWhole reads it through a reader, until all is acknowledged and saved.
func readWhole(b *testing.B, stream backend.Stream, control backend.Table, total int) {
	b.Helper()
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	seen := 0
	err := NewReader(stream, control, HandlerFunc(func(_ context.Context, records []*Record) error {
		for _, r := range records {
			r.Ack()
		}
		if seen += len(records); seen == total {
			stop()
		}
		return nil
	}), Options{}).Run(ctx)
	if err != nil || seen != total {
		b.Fatalf("%d records, want %d: %v", seen, total, err)
	}
}

// processorTime is what this process has used.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}
