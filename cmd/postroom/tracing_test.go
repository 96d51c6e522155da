package main

import (
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// spansOf collects what is exported to it, by name.
type spansOf struct {
	mu    sync.Mutex
	spans map[string][]*traces.Span
	from  map[string]bool // service names
}

func collect(t *testing.T) (*spansOf, string) {
	t.Helper()
	c := &spansOf{spans: map[string][]*traces.Span{}, from: map[string]bool{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var request collector.ExportTraceServiceRequest
		if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &request) != nil {
			http.Error(w, "not traces", http.StatusBadRequest)
			return
		}
		c.add(&request)
	}))
	t.Cleanup(server.Close)
	return c, server.URL
}

func (c *spansOf) add(request *collector.ExportTraceServiceRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, from := range request.GetResourceSpans() {
		for _, a := range from.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				c.from[a.GetValue().GetStringValue()] = true
			}
		}
		for _, scope := range from.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				c.spans[s.GetName()] = append(c.spans[s.GetName()], s)
			}
		}
	}
}

// A message is one trace from its post to its delivery, over four processes.
func TestTraceOfAMessage(t *testing.T) {
	t.Parallel()
	c, url := collect(t)
	s := newShell(t)
	s.env["OTEL_EXPORTER_OTLP_ENDPOINT"] = url
	s.ok("post", "--from", ada, "--to", bob, "--message", "Hello")
	notification := s.pipeline()
	var before *traces.Span
	for _, name := range []string{"postroom.post", "postroom.project", "postroom.notify", "postroom.deliver"} {
		if len(c.spans[name]) != 1 {
			t.Fatalf("%d spans of %s", len(c.spans[name]), name)
		}
		span := c.spans[name][0]
		if before != nil && (string(span.GetParentSpanId()) != string(before.GetSpanId()) || string(span.GetTraceId()) != string(before.GetTraceId())) {
			t.Errorf("%s does not follow %s: %v", name, before.GetName(), span)
		}
		before = span
	}
	notify := c.spans["postroom.notify"][0]
	var event struct {
		TraceParent string `json:"traceparent"`
	}
	want := "00-" + hex.EncodeToString(notify.GetTraceId()) + "-" + hex.EncodeToString(notify.GetSpanId()) + "-01"
	if err := json.Unmarshal([]byte(notification), &event); err != nil || event.TraceParent != want {
		t.Errorf("the notification has traceparent %q (%v), want %q", event.TraceParent, err, want)
	}
	if !c.from["postroom"] {
		t.Errorf("the service is called %v", c.from)
	}
}

func TestNoTrace(t *testing.T) {
	t.Parallel()
	c, url := collect(t)
	for name, env := range map[string]map[string]string{
		"not asked for": {},
		"none":          {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_TRACES_EXPORTER": "none"},
		"disabled":      {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_SDK_DISABLED": "true"},
	} {
		s := newShell(t)
		s.env = env
		s.ok("post", "--from", ada, "--to", bob, "--message", "Hello")
		if notification := s.pipeline(); strings.Contains(notification, "traceparent") || len(c.spans) != 0 {
			t.Errorf("%s: traced: %s", name, notification)
		}
	}
}

func TestTracingIsChecked(t *testing.T) {
	t.Parallel()
	for want, env := range map[string]map[string]string{
		"OTEL_TRACES_EXPORTER is \"zipkin\"":      {"OTEL_TRACES_EXPORTER": "zipkin"},
		"OTEL_EXPORTER_OTLP_PROTOCOL is \"grpc\"": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
	} {
		s := newShell(t)
		s.env = env
		if r := s.run("post", "--from", ada, "--to", bob, "--message", "Hello"); r.code != exitUsage || !strings.Contains(r.stderr, want) {
			t.Errorf("exit code %d: %s", r.code, r.stderr)
		}
	}
}

// Where spans go says nothing about whether messages do.
func TestCollectorThatIsGone(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.env["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] = "http://127.0.0.1:1/v1/traces"
	s.ok("post", "--from", ada, "--to", bob, "--message", "Hello")
	if notification := s.pipeline(); !strings.Contains(notification, `"traceparent":"00-`) {
		t.Errorf("delivered %s", notification)
	}
}
