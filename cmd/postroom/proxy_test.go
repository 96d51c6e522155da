package main

import (
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/postroom/postroom"
)

// badProxy leads calls to the emulators, and answers every tenth call that works on
// data itself, sometimes after it has passed the call on.
type badProxy struct {
	db, sqs *httputil.ReverseProxy

	mu   sync.Mutex
	dice *rand.Rand
}

func newBadProxy(t *testing.T) *httptest.Server {
	t.Helper()
	behind := emulators.Start(t)
	lead := func(to string) *httputil.ReverseProxy {
		u, err := url.Parse(to)
		if err != nil {
			t.Fatal(err)
		}
		return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(u) }}
	}
	server := httptest.NewServer(&badProxy{db: lead(behind.DynamoDB), sqs: lead(behind.SQS), dice: rand.New(rand.NewPCG(15, 16))})
	t.Cleanup(server.Close)
	return server
}

func (p *badProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	target := r.Header.Get("X-Amz-Target")
	next := p.db
	if strings.HasPrefix(target, "AmazonSQS.") {
		next = p.sqs
	}
	p.mu.Lock()
	fails := p.dice.IntN(10) == 0 && !strings.Contains(target, ".Describe") && !strings.Contains(target, ".GetQueue")
	carriedOut := p.dice.IntN(2) == 0 && !strings.HasSuffix(target, ".ReceiveMessage") // would hide messages for a while
	statuses := []int{400, 403, 404, 408, 413, 502}
	status := statuses[p.dice.IntN(len(statuses))]
	p.mu.Unlock()
	if !fails {
		next.ServeHTTP(w, r)
		return
	}
	if carriedOut {
		next.ServeHTTP(httptest.NewRecorder(), r)
	}
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	if status != http.StatusRequestTimeout {
		_, _ = w.Write([]byte("<html><h1>Something is wrong with this proxy.</h1></html>"))
	}
}

// TestF15BadProxy: every tenth call is answered by something in front of AWS. Every
// message is projected and told all the same, and none is quarantined.
func TestF15BadProxy(t *testing.T) {
	proxy := newBadProxy(t)
	const messages = 200
	s := newShell(t)
	on := []string{"--backend", "aws", "--table", "behind-a-proxy", "--queue", "behind-a-proxy.fifo"}
	with := func(args ...string) []string { return append(args, on...) }
	s.ok(with("provision", "--deletion-protection=false")...)
	defer func() { s.ok(with("destroy")...) }()
	through := func(args ...string) string { return s.ok(append(with(args...), "--endpoint-url", proxy.URL)...) }
	through("post", "--file", s.file("messages.jsonl", sampleMessages(t, messages)))
	through("project", "--until-idle", "--idle-after", "1s")
	told := map[string]bool{}
	for _, n := range lines[postroom.Notification](t, through("consume", "--until-idle", "--idle-after", "1s")) {
		told[n.ID] = true
	}
	if len(told) != messages {
		t.Errorf("%d notifications, want %d", len(told), messages)
	}
	if out := s.ok(with("verify")...); !strings.HasSuffix(out, ": 0 differences\n") {
		t.Errorf("verify printed %s", out)
	}
}
