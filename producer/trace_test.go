package producer_test

import (
	"context"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/tracing"
	"github.com/postroom/postroom/producer"
)

// TestTraceIsNoContent: a message that is posted again in another trace is the same
// message, and keeps the trace that it was stored with.
func TestTraceIsNoContent(t *testing.T) {
	t.Parallel()
	table, ended := openLocal(t).Table(tableName), tracetest.NewSpanRecorder()
	o := options()
	o.TracerProvider = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(ended))
	m := message(7, 1)
	for i, p := range []*producer.Producer{producer.New(table, o), producer.New(table, o), producer.New(table, options())} {
		if r, err := p.Post(t.Context(), m); err != nil || r.AlreadyThere != (i > 0) {
			t.Errorf("time %d: %+v (%v)", i, r, err)
		}
	}
	posts := ended.Ended()
	if len(posts) != 2 || posts[0].Name() != "postroom.post" {
		t.Fatalf("ended %v", posts)
	}
	parent := tracing.Parent(trace.ContextWithSpanContext(t.Context(), posts[0].SpanContext()))
	if got := stored(t, table, m.GroupUUID); len(got) != 1 || got[0].TraceParent != parent || parent == "" {
		t.Errorf("stored is %+v, want the trace %s", got, parent)
	}
}

func TestNotTracedIsNotStored(t *testing.T) {
	t.Parallel()
	table, o := openLocal(t).Table(tableName), options()
	o.TracerProvider = sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))
	if _, err := producer.New(table, o).Post(t.Context(), message(7, 1)); err != nil {
		t.Fatal(err)
	}
	if got := stored(t, table, id(7)); len(got) != 1 || got[0].TraceParent != "" {
		t.Errorf("stored is %+v", got)
	}
}

// discards is a table that costs nothing.
type discards struct{ backend.Table }

func (discards) Put(context.Context, backend.Item, backend.Condition) (backend.Units, error) {
	return backend.Units{}, nil
}

// BenchmarkPost is what a post takes beside the table, with and without tracing.
func BenchmarkPost(b *testing.B) {
	traced := options()
	traced.TracerProvider = sdktrace.NewTracerProvider()
	for name, o := range map[string]producer.Options{"tracing off": options(), "tracing on": traced} {
		b.Run(name, func(b *testing.B) {
			p := producer.New(discards{}, o)
			m := message(7, 1)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Post(b.Context(), m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
