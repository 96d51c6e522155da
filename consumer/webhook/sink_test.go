package webhook

import (
	"context"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/postroom/postroom/internal/tracing"
)

func TestQ14Request(t *testing.T) {
	t.Parallel()
	body := " " + event + "\n" // sent as it is
	type request struct {
		method, uri, body string
		length            int64
		header            http.Header
	}
	got := make(chan request, 2)
	server := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got <- request{r.Method, r.RequestURI, string(b), r.ContentLength, r.Header}
	})
	s := newSink(t, server.URL+"/hook?a=b", Options{})
	for range 2 {
		wants(t, s, handle(t.Context(), s, body), "done", Delivered)
		r := <-got
		if r.method != "POST" || r.uri != "/hook?a=b" || r.body != body || r.length != int64(len(body)) {
			t.Errorf("%+v", r)
		}
		for name, want := range map[string]string{
			"Content-Type": "application/cloudevents+json; charset=utf-8",
			"Webhook-Id":   "4f1c",
			"User-Agent":   userAgent,
		} {
			if r.header.Get(name) != want {
				t.Errorf("%s: %q", name, r.header.Get(name))
			}
		}
		names := slices.Sorted(maps.Keys(r.header))
		want := []string{"Content-Length", "Content-Type", "User-Agent", "Webhook-Id", "Webhook-Signature", "Webhook-Timestamp"}
		if !slices.Equal(names, want) {
			t.Errorf("the headers are %q, want %q", names, want)
		}
	}
	if n := s.Stats().Requests; n != 2 {
		t.Errorf("%d requests", n)
	}
}

// A receiver goes on with the trace in whose span it is called.
func TestTraceOfARequest(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	server := receiver(t, func(_ http.ResponseWriter, r *http.Request) { got <- r.Header.Get("Traceparent") })
	ctx, span := sdktrace.NewTracerProvider().Tracer("").Start(t.Context(), "deliver")
	defer span.End()
	s := newSink(t, server.URL, Options{})
	wants(t, s, handle(ctx, s, event), "done", Delivered)
	if header := <-got; header != tracing.Parent(ctx) || header == "" {
		t.Errorf("the request's trace is %q, want %q", header, tracing.Parent(ctx))
	}
}

// Q9 as well: a body that is not an event is neither sent nor tried again.
func TestQ14PoisonIsNotSent(t *testing.T) {
	t.Parallel()
	server := receiver(t, func(http.ResponseWriter, *http.Request) { t.Error("was sent") })
	s := newSink(t, server.URL, Options{})
	bodies := []string{
		"", "hello", "null", "[]", `"4f1c"`, "{}", `{"ID":"4f1c"}`, `{"id":7}`, `{"id":null}`, `{"id":""}`, `{"id":"4f1c"`,
		`{"id":"4f1c"} {}`, `{"id":"a.b"}`, `{"id":"a b"}`, `{"id":"a\r\nX-Evil: 1"}`, `{"id":"é"}`, `{"id":"a\u007f"}`,
		`{"id":"` + strings.Repeat("a", maxIDBytes+1) + `"}`,
	}
	for _, body := range bodies {
		if err := handle(t.Context(), s, body); asked(err) != toDeadLetters {
			t.Errorf("%q: %v", body, err)
		}
	}
	if n := s.Stats().Messages[Poison]; n != int64(len(bodies)) {
		t.Errorf("%d counted of %d", n, len(bodies))
	}
	if id, err := eventID(`{"id":"` + strings.Repeat("~", maxIDBytes) + `"}`); err != nil || len(id) != maxIDBytes {
		t.Error(err)
	}
}

// A body that two readers may read differently is not signed: neither id is the right
// one.
func TestF5BodiesThatLoseAreNotSent(t *testing.T) {
	t.Parallel()
	for want, body := range map[string]string{
		`key "id": the key comes twice`:     `{"id":"4f1c","id":"4f1d"}`,
		`key "data/a": the key comes twice`: `{"id":"4f1c","data":{"a":1,"a":2}}`,
		"half of a surrogate pair":          `{"id":"4f1c","data":"\ud800"}`,
		"not valid UTF-8":                   "{\"id\":\"4f1c\",\"data\":\"\xff\"}",
	} {
		if id, err := eventID(body); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q, %v; want %q", body, id, err, want)
		}
	}
}

// A call whose context is done already sends nothing.
func TestQ14NothingAfterTheContext(t *testing.T) {
	t.Parallel()
	server := receiver(t, func(http.ResponseWriter, *http.Request) { t.Error("was sent") })
	s := newSink(t, server.URL, Options{})
	ctx, stop := context.WithCancel(t.Context())
	stop()
	for range 20 { // whichever a select looks at first
		wants(t, s, handle(ctx, s, event), "fails", Cancelled)
	}
	if n := s.Stats().Requests; n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestNewChecksTheURL(t *testing.T) {
	t.Parallel()
	const form = "not of the form"
	for url, says := range map[string]string{
		"":                                 form,
		"hush.example/x":                   form,
		"//hush.example":                   form,
		"ftp://hush.example":               form,
		"https://":                         form,
		"https:///hush":                    form,
		"https://:443/":                    form,
		"https:hush.example":               form,
		"https://hush.example/#part":       form,
		"https://user:pa/hush@example":     form,
		"https://hush example/":            form,
		"https://example/%zz?hush":         form,
		"https://example:port/hush":        form,
		"\x00https://example/hush":         form,
		"https://user:hush@example.com/":   "user information",
		"https://hush@example.com/":        "user information",
		"http://example.com/hush":          "plain http",
		"http://127.0.0.1/hush":            "plain http",
		"https://127.0.0.1/hush":           "127.0.0.1 is private",
		"https://[::ffff:10.0.0.1]/hush":   "10.0.0.1 is private",
		"https://169.254.169.254/hush":     "special range",
		"https://[fe80::1%25eth0]:80/hush": "special range",
	} {
		s, err := New(url, []Key{testKey(t, 1)}, Options{})
		if err == nil || s != nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%q: %v, want %q", url, err, says)
		}
	}
	for _, url := range []string{"https://example.com", "HTTPS://example.com:8443/a/b?c=d", "https://1.1.1.1/", "https://[2606:4700::1111]/"} {
		if _, err := New(url, []Key{testKey(t, 1)}, Options{}); err != nil {
			t.Errorf("%q: %v", url, err)
		}
	}
	for url, says := range map[string]string{"http://10.0.0.1/": "", "http://1.1.1.1/": "use https", "https://169.254.169.254/": "special range"} {
		_, err := New(url, []Key{testKey(t, 1)}, Options{AllowPrivate: true})
		if (says == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%q where private addresses are allowed: %v", url, err)
		}
	}
}

func TestNewChecksKeysAndOptions(t *testing.T) {
	t.Parallel()
	good := []Key{testKey(t, 1)}
	for says, test := range map[string]struct {
		keys []Key
		o    Options
	}{
		"no key":                     {nil, Options{}},
		"key 2 is empty":             {append(good, Key{}), Options{}},
		"Timeout is 999.999µs":       {good, Options{Timeout: time.Millisecond - 1}},
		"Timeout is 10m0.000000001s": {good, Options{Timeout: 10*time.Minute + 1}},
		"Concurrency is -1":          {good, Options{Concurrency: -1}},
		"Concurrency is 1025":        {good, Options{Concurrency: 1025}},
	} {
		if _, err := New("https://example.com", test.keys, test.o); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
	for _, o := range []Options{{Timeout: time.Millisecond, Concurrency: 1}, {Timeout: 10 * time.Minute, Concurrency: 1024}} {
		if _, err := New("https://example.com", good, o); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
