package projector

import (
	"context"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/internal/tracing"
	"github.com/postroom/postroom/projector/quarantine"
)

// spans are those of a message whose trace is recorded: from its arrival until it is
// projected, and from then on when its notifications were enqueued until the queue has
// accepted the last of them. The notifications carry the trace on.
type spans struct {
	tracer  trace.Tracer
	project trace.Span
	notify  trace.Span // nil: not begun
}

// newMessage is a message on its way, with its trace.
func (p *Projector) newMessage(m postroom.Message, r quarantine.Record, ack func(*message)) *message {
	arrived := newMessage(m, r, ack)
	p.trace(arrived)
	return arrived
}

// trace begins the spans of a message, if its trace is recorded. A silent one is most
// likely projected already, and its trace ended long ago: it comes from a scan of the
// whole log.
func (p *Projector) trace(m *message) {
	if m.record.Silent {
		return
	}
	ctx, ok := tracing.Continue(context.Background(), m.TraceParent)
	if !ok {
		return
	}
	_, span := p.tracer.Start(ctx, "postroom.project", trace.WithTimestamp(m.since), trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(tracing.Conversation.String(m.GroupUUID), tracing.Message.String(m.MessageUUID)))
	m.spans = &spans{tracer: p.tracer, project: span}
}

// enqueued begins the span of the notifications, and has them carry it on.
func (s *spans) enqueued(m *message, recipients int) {
	if s == nil {
		return
	}
	ctx := trace.ContextWithSpan(context.Background(), s.project)
	_, s.notify = s.tracer.Start(ctx, "postroom.notify", trace.WithSpanKind(trace.SpanKindProducer),
		trace.WithAttributes(tracing.Recipients.Int(recipients)))
	m.TraceParent = tracing.ParentOf(s.notify)
	if recipients == 0 {
		s.notify.End()
	}
}

func (s *spans) notified() {
	if s != nil {
		s.notify.End()
	}
}

// left ends the span of the projection.
func (s *spans) left(quarantined bool) {
	if s == nil {
		return
	}
	if quarantined {
		s.project.SetStatus(codes.Error, "quarantined")
	}
	s.project.End()
}
