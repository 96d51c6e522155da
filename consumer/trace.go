package consumer

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/strictjson"
	"github.com/postroom/postroom/internal/tracing"
)

// trace begins the span of a message's handling, if its body carries a trace that is
// recorded, as an event of CloudEvents does. Bodies that carry none are not decoded.
func (w *Worker) trace(ctx context.Context, d backend.Delivery) (context.Context, trace.Span) {
	parent, ok := tracing.Continue(ctx, traceParent(d.Body))
	if !ok {
		return ctx, noop.Span{}
	}
	return w.tracer.Start(parent, "postroom.deliver", trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
		attribute.String("messaging.message.id", d.MessageID),
		attribute.Int("postroom.receive_count", d.ReceiveCount),
	))
}

func traceParent(body string) string {
	var event struct {
		TraceParent string `json:"traceparent"`
	}
	if !strings.Contains(body, `"traceparent"`) || strictjson.DecodePart([]byte(body), &event) != nil {
		return ""
	}
	return event.TraceParent
}
