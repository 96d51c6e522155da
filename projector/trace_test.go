package projector

import (
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/postroom/postroom/internal/tracing"
	"github.com/postroom/postroom/projector/quarantine"
)

const someParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// TestSpansOfAMessage: each span ends once, whatever comes first, and the notifications
// carry on the one that sent them.
func TestSpansOfAMessage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		record quarantine.Record
		parent string
		steps  func(m *message)
		want   []string
	}{
		"projected first": {parent: someParent, steps: func(m *message) { m.leave(); m.notify(); m.notify() }, want: []string{"postroom.project", "postroom.notify"}},
		"notified first":  {parent: someParent, steps: func(m *message) { m.notify(); m.notify(); m.leave() }, want: []string{"postroom.notify", "postroom.project"}},
		"silent":          {record: quarantine.Record{Silent: true}, parent: someParent, steps: func(m *message) { m.leave() }},
		"not recorded":    {parent: someParent[:len(someParent)-1] + "0", steps: func(m *message) { m.leave(); m.notify(); m.notify() }},
		"not traced":      {steps: func(m *message) { m.leave(); m.notify(); m.notify() }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ended := tracetest.NewSpanRecorder()
			p := &Projector{tracer: tracing.Tracer(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(ended)))}
			message0 := conversationOf(1, 3, 1)[0]
			message0.TraceParent = c.parent
			m := newMessage(message0, c.record, func(*message) {})
			p.trace(m)
			m.enqueue(message0.Members)
			carried := m.TraceParent
			c.steps(m)
			var got []string
			for _, s := range ended.Ended() {
				got = append(got, s.Name())
				if s.Name() == "postroom.notify" && carried != tracing.Parent(trace.ContextWithSpanContext(t.Context(), s.SpanContext())) {
					t.Errorf("the notifications carry %s", carried)
				}
			}
			if len(got) != len(c.want) || len(got) == 2 && (got[0] != c.want[0] || got[1] != c.want[1]) {
				t.Errorf("ended %v, want %v", got, c.want)
			}
			if len(ended.Started()) != len(got) {
				t.Errorf("%d spans were started", len(ended.Started()))
			}
		})
	}
}

func TestSpanOfAQuarantinedMessage(t *testing.T) {
	t.Parallel()
	ended := tracetest.NewSpanRecorder()
	p := &Projector{tracer: tracing.Tracer(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(ended)))}
	message0 := conversationOf(1, 3, 1)[0]
	message0.TraceParent = someParent
	m := newMessage(message0, quarantine.Record{}, func(*message) {})
	p.trace(m)
	m.setQuarantined()
	m.leave()
	if got := ended.Ended(); len(got) != 1 || got[0].Status().Code != codes.Error {
		t.Errorf("ended %+v", got)
	}
}
