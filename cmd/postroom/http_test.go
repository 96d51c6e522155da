package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

func TestF20HostOfARequest(t *testing.T) {
	t.Parallel()
	loopback, other := net.IPv4(127, 0, 1, 1), net.IPv4(10, 0, 0, 7)
	h := checkHost(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") }),
		"Mail.example:8080", "mybox")
	for _, c := range []struct {
		at   net.IP
		host string
		want int
	}{
		{loopback, "localhost:8080", http.StatusOK},
		{loopback, "LOCALHOST.", http.StatusOK},
		{loopback, "dev.localhost:1", http.StatusOK},
		{loopback, "127.0.0.1:8080", http.StatusOK},
		{loopback, "[::1]:8080", http.StatusOK},
		{loopback, "[::1]", http.StatusOK},
		{loopback, "192.0.2.7", http.StatusOK},
		{loopback, "mail.example:8080", http.StatusOK},
		{loopback, "mybox:8080", http.StatusOK},
		{loopback, "", http.StatusOK}, // no browser sends none
		{loopback, "attacker.example:8080", http.StatusMisdirectedRequest},
		{loopback, "localhost.attacker.example", http.StatusMisdirectedRequest},
		{loopback, "127.0.0.1.attacker.example:8080", http.StatusMisdirectedRequest},
		{loopback, "mybox.attacker.example", http.StatusMisdirectedRequest},
		{net.IPv6loopback, "attacker.example:8080", http.StatusMisdirectedRequest},
		// Who runs the network names its services.
		{other, "postroom-project.mail.svc.cluster.local:8080", http.StatusOK},
	} {
		r := httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody)
		r.Host = c.host
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: c.at}))
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != c.want {
			t.Errorf("%q at %s: %d, want %d", c.host, c.at, w.Code, c.want)
		}
	}
}

// The server of a daemon checks the Host header too.
func TestF20HostOfADaemon(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	addr, stop := s.daemon("project")
	defer stop()
	for host, want := range map[string]int{addr: http.StatusOK, "attacker.example": http.StatusMisdirectedRequest} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/metrics", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Host, r.Close = host, true
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("Host %s: %s", host, response.Status)
		}
	}
}

// pipes is a listener in memory, for virtual time.
type pipes struct {
	clients chan net.Conn
	closed  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.clients:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.clients <- server
	return client
}

// A client that sends its request slowly, or not at all, or does not read the answer,
// keeps no connection for ever.
func TestF20HTTPTimeouts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		send string
		want time.Duration // until the server hangs up
	}{
		"says nothing":            {"", httpReadTimeout},
		"stops in the headers":    {"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ", httpReadTimeout},
		"stops in the body":       {"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n", httpReadTimeout},
		"asks for nothing more":   {"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", httpReadTimeout},
		"does not read an answer": {"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", httpWriteTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := &pipes{clients: make(chan net.Conn), closed: make(chan struct{})}
				a := &app{log: slog.New(slog.DiscardHandler), listener: l, process: process{stderr: io.Discard}}
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- a.httpServer(func() string { return "" })(ctx) }()
				client := l.dial()
				if _, err := io.WriteString(client, c.send); err != nil {
					t.Fatal(err)
				}
				if c.want == httpWriteTimeout {
					time.Sleep(2 * httpWriteTimeout) // of the bubble
				}
				start := time.Now()
				_, err := io.Copy(io.Discard, bufio.NewReader(client))
				if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) {
					t.Error(err)
				}
				if took := time.Since(start); c.want == httpReadTimeout && took != c.want || c.want == httpWriteTimeout && took > time.Second {
					t.Errorf("the server hung up after %v", took)
				}
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
				_ = client.Close()
			})
		})
	}
}
