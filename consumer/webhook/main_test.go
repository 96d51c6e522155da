package webhook

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/consumer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const event = `{"specversion":"1.0","id":"4f1c","source":"/postroom/chat","type":"postroom.message.posted","data":{}}`

// keyText is the text of a key of 32 bytes.
func keyText(fill byte) string {
	return keyPrefix + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{fill}, 32))
}

func testKey(t testing.TB, fill byte) Key {
	t.Helper()
	key, err := ParseKey(keyText(fill))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// newSink makes a sink that may call servers of this machine.
func newSink(t testing.TB, url string, o Options) *Sink {
	t.Helper()
	o.AllowPrivate = true
	s, err := New(url, []Key{testKey(t, 1)}, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func handle(ctx context.Context, s *Sink, body string) error {
	return s.Handle(ctx, backend.Delivery{Body: body})
}

// receiver is a real server on the loopback interface.
func receiver(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

// answers is a handler that gives one answer. The headers are names and values.
func answers(status int, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
	}
}

// inMemory makes a sink whose connections are pipes, for virtual time. Each is
// served by serve, which owns it.
func inMemory(t testing.TB, o Options, serve func(net.Conn)) *Sink {
	t.Helper()
	s := newSink(t, "http://127.0.0.1", o)
	var serving sync.WaitGroup
	t.Cleanup(serving.Wait)
	s.transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		serving.Go(func() { serve(server) })
		return client, nil
	}
	return s
}

// served has a pipe served by HTTP. It returns when the other end is closed.
func served(h http.HandlerFunc) func(net.Conn) {
	return func(c net.Conn) {
		l := &oneConn{conn: c, closed: make(chan struct{})}
		server := &http.Server{Handler: h, ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed {
				l.Close()
			}
		}}
		_ = server.Serve(l)
	}
}

// oneConn is a listener of one connection.
type oneConn struct {
	conn   net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return c, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// asked is what an error asks the worker to do.
func asked(err error) string {
	i, ok := errors.AsType[*consumer.Instruction](err)
	switch {
	case err == nil:
		return "done"
	case !ok:
		return "fails"
	}
	text, _, _ := strings.Cut(i.Error(), ":")
	return text
}

const toDeadLetters = "to the dead-letter queue"

// wants checks what became of a message, and that it was counted so.
func wants(t testing.TB, s *Sink, err error, wantAsked string, want Outcome) {
	t.Helper()
	if f := asked(err); f != wantAsked {
		t.Errorf("%s, want %s: %v", f, wantAsked, err)
	}
	if s.Stats().Messages[want] == 0 {
		t.Errorf("not counted as %s: %v", want, s.Stats().Messages)
	}
}

// log is what loggers wrote.
type log struct {
	mu  sync.Mutex
	out bytes.Buffer
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.String()
}

func newLog() (*log, *slog.Logger) {
	l := &log{}
	return l, slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// drain reads what a client sends until its request has ended, or it hangs up.
func drain(c net.Conn) {
	var got bytes.Buffer
	one := make([]byte, 1<<10)
	for !strings.HasSuffix(got.String(), event) {
		n, err := c.Read(one)
		got.Write(one[:n])
		if err != nil {
			return
		}
	}
}

// hungUp waits until a client hangs up.
func hungUp(c net.Conn) { _, _ = io.Copy(io.Discard, c) }
