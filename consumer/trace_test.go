package consumer

import (
	"errors"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"context"

	"github.com/postroom/postroom/backend"
)

// TestSpanOfAHandler: each call of the handler is a span of the trace that the body
// carries, whatever comes of it.
func TestSpanOfAHandler(t *testing.T) {
	t.Parallel()
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for body, c := range map[string]struct {
		result error
		status codes.Code
		spans  int
	}{
		`{"id":"1","traceparent":"` + parent + `"}`: {spans: 1},
		`{"id":"2","traceparent":"` + parent + `"}`: {result: errors.New("no"), status: codes.Error, spans: 1},
		`{"id":"3"}`:                          {},
		`{"id":"4","traceparent":"00-` + `"}`: {},
		`{"id":"5","traceparent":7}`:          {},
		`"traceparent"`:                       {},
		`{"id":"6","data":{"traceparent":"` + parent + `"}}`:         {},
		`{"id":"7","traceparent":"` + parent[:len(parent)-1] + `0"}`: {},
	} {
		ended := tracetest.NewSpanRecorder()
		w, err := New(nil, HandlerFunc(func(ctx context.Context, _ backend.Delivery) error {
			if trace.SpanFromContext(ctx).IsRecording() != (c.spans > 0) {
				t.Errorf("%s: the handler's context has the span %v", body, trace.SpanFromContext(ctx))
			}
			return c.result
		}), Options{TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(ended))})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.callHandler(t.Context(), backend.Delivery{Body: body}); !errors.Is(err, c.result) {
			t.Errorf("%s: %v", body, err)
		}
		spans := ended.Ended()
		if len(spans) != c.spans {
			t.Errorf("%s: %d spans", body, len(spans))
			continue
		}
		for _, s := range spans {
			if s.Parent().SpanID().String() != "b7ad6b7169203331" || s.Status().Code != c.status {
				t.Errorf("%s: %+v", body, s)
			}
		}
	}
}
