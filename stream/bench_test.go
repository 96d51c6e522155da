package stream

import (
	"context"
	"fmt"
	"testing"

	"github.com/postroom/postroom/backend"
)

// BenchmarkTracker is what delivering and acknowledging costs for each record.
func BenchmarkTracker(b *testing.B) {
	for _, order := range []string{"in order", "backwards"} {
		b.Run(order, func(b *testing.B) {
			page := make([]backend.Record, backend.MaxRecords)
			for i := range page {
				page[i].Sequence = fmt.Sprintf("%021d", i)
			}
			r := newRun(nil, nil, nil, mustDefaults(b))
			tr := newTracker(position{}, 1000, r.settle, func() { signal(r.due) })
			b.ReportAllocs()
			for n := 0; n < b.N; n += len(page) {
				if err := r.window.Acquire(b.Context(), int64(len(page))); err != nil {
					b.Fatal(err)
				}
				r.waiting.Add(int64(len(page)))
				records := tr.deliver("shard", page)
				for i := range records {
					if order == "backwards" {
						i = len(records) - 1 - i
					}
					records[i].Ack()
				}
			}
		})
	}
}

func mustDefaults(tb testing.TB) Options {
	o, err := Options{}.withDefaults()
	if err != nil {
		tb.Fatal(err)
	}
	return o
}

// BenchmarkReader reads 200,000 records of one shard through a Reader, and with
// a bare loop over Records: see ns/record.
func BenchmarkReader(b *testing.B) {
	const total = 200_000
	one := shard("a", "").close()
	for i := range total {
		one.records = append(one.records, backend.Record{
			Sequence: fmt.Sprintf("%021d", i), Key: backend.Key{PK: "p", SK: "MSG#"},
			NewImage: func() (backend.Item, error) { return nil, nil },
		})
	}
	perRecord := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/total, "ns/record")
	}
	b.Run("bare loop", func(b *testing.B) {
		for range b.N {
			s, seen := newStream(one), 0
			it, err := s.Iterator(b.Context(), s.arn, "a", backend.Position{})
			for err == nil && it != "" {
				var page backend.RecordPage
				page, err = s.Records(b.Context(), it, backend.MaxRecords)
				for range page.Records {
					seen++
				}
				it = page.Next
			}
			if err != nil || seen != total {
				b.Fatal(seen, err)
			}
		}
		perRecord(b)
	})
	b.Run("reader", func(b *testing.B) {
		for range b.N {
			s, seen := newStream(one), 0
			ctx, cancel := context.WithCancel(b.Context())
			err := NewReader(s, newTable(), HandlerFunc(func(_ context.Context, records []*Record) error {
				for _, r := range records {
					r.Ack()
				}
				if seen += len(records); seen == total {
					cancel()
				}
				return nil
			}), Options{}).Run(ctx)
			cancel()
			if err != nil || seen != total {
				b.Fatal(seen, err)
			}
		}
		perRecord(b)
	})
}
