// Package tracing carries the context of a trace where no call does: in the item of a
// message, in a notification, and in a request's header, as W3C Trace Context writes
// it. Only what is recorded is carried on.
package tracing

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// scope names the instrumentation.
const scope = "github.com/postroom/postroom"

// header is how a traceparent is called everywhere.
const header = "traceparent"

// Names of attributes of spans. A user's id is in none of them.
const (
	Conversation = attribute.Key("postroom.message_group_uuid")
	Message      = attribute.Key("postroom.message_uuid")
	Recipients   = attribute.Key("postroom.recipients") // how many
)

// Tracer returns a tracer of a provider; of the global one if it is nil.
func Tracer(p trace.TracerProvider) trace.Tracer {
	if p == nil {
		p = otel.GetTracerProvider()
	}
	return p.Tracer(scope)
}

// Parent returns the traceparent of the span in ctx; "" if there is none, or if it is
// not recorded.
func Parent(ctx context.Context) string {
	if !trace.SpanContextFromContext(ctx).IsSampled() {
		return ""
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier[header]
}

// ParentOf returns the traceparent of a span, as [Parent] does.
func ParentOf(span trace.Span) string {
	return Parent(trace.ContextWithSpan(context.Background(), span))
}

// Continue returns ctx with the span that a traceparent names. It reports false, with
// ctx, if the traceparent is empty or malformed, or what it names is not recorded.
func Continue(ctx context.Context, parent string) (context.Context, bool) {
	if parent == "" {
		return ctx, false
	}
	next := propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{header: parent})
	if !trace.SpanContextFromContext(next).IsSampled() {
		return ctx, false
	}
	return next, true
}

// Inject adds the span in ctx to a request's header, if there is one.
func Inject(ctx context.Context, h http.Header) {
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(h))
}

// End ends a span, with the error that it came to.
func End(span trace.Span, err error) {
	if err != nil {
		span.RecordError(err)
		span.SetStatus(codes.Error, "")
	}
	span.End()
}
