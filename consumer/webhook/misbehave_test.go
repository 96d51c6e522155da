package webhook

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/x509"
	"errors"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A receiver that dawdles costs no more than the limit that it meets.
func TestQ14EveryWaitHasALimit(t *testing.T) {
	t.Parallel()
	o := Options{Timeout: 15 * time.Second}
	for name, test := range map[string]struct {
		serve   func(net.Conn)
		asked   string
		outcome Outcome
		after   time.Duration
	}{
		"nothing is read": {func(c net.Conn) {
			time.Sleep(time.Hour)
		}, "fails", TimedOut, 15 * time.Second},
		"no answer": {func(c net.Conn) {
			drain(c)
			hungUp(c)
		}, "fails", TimedOut, 15 * time.Second},
		"a slow header": {func(c net.Conn) {
			drain(c)
			slowly(c, "HTTP/1.1 200 OK\r\nX-A: "+strings.Repeat("a", 100))
		}, "fails", TimedOut, 15 * time.Second},
		"interim answers without end": {func(c net.Conn) {
			drain(c)
			slowly(c, strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 1000))
		}, "fails", TimedOut, 15 * time.Second},
		"a slow body after 200": {func(c net.Conn) {
			drain(c)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
			slowly(c, strings.Repeat("a", 100))
		}, "done", Delivered, maxAnswerTime},
		"a slow body after 500": {func(c net.Conn) {
			drain(c)
			io.WriteString(c, "HTTP/1.1 500 Oh\r\n\r\n")
			slowly(c, strings.Repeat("a", 100))
		}, "fails", ServerError, maxAnswerTime},
		"a slow body after 422": {func(c net.Conn) {
			drain(c)
			io.WriteString(c, "HTTP/1.1 422 Oh\r\n\r\n")
			slowly(c, strings.Repeat("a", 100))
		}, toDeadLetters, Refused, maxAnswerTime},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := inMemory(t, o, func(c net.Conn) {
					defer c.Close()
					test.serve(c)
				})
				begin := time.Now()
				wants(t, s, handle(t.Context(), s, event), test.asked, test.outcome)
				if took := time.Since(begin); took != test.after {
					t.Errorf("after %v, want %v", took, test.after)
				}
				if s := s.Stats(); s.InFlight != 0 || s.Requests != 1 || s.RequestTime != test.after {
					t.Errorf("%d in flight, %d requests took %v, want one of %v", s.InFlight, s.Requests, s.RequestTime, test.after)
				}
			})
		})
	}
}

// slowly writes a byte each 0.7 seconds.
func slowly(c net.Conn, text string) {
	for i := range text {
		time.Sleep(700 * time.Millisecond)
		if _, err := io.WriteString(c, text[i:i+1]); err != nil {
			return
		}
	}
}

// The time limit is one for all hops of a redirect together.
func TestQ14RedirectsShareTheTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, Options{}, served(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(6 * time.Second)
			answers(307, "Location", "/again")(w, r)
		}))
		begin := time.Now()
		err := handle(t.Context(), s, event)
		wants(t, s, err, "fails", TimedOut)
		if time.Since(begin) != 15*time.Second || !strings.Contains(err.Error(), "http://127.0.0.1 did not answer within 15s") {
			t.Errorf("after %v: %v", time.Since(begin), err)
		}
	})
}

// A drain ends what is under way, and that is not the receiver's fault.
func TestQ14CancelledWhileSending(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, Options{}, func(c net.Conn) { defer c.Close(); hungUp(c) })
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		err := handle(ctx, s, event)
		wants(t, s, err, "fails", Cancelled)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

func TestQ14HandshakeTakesTooLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := inMemory(t, Options{}, func(c net.Conn) { defer c.Close(); hungUp(c) })
		s.url.Scheme = "https"
		begin := time.Now()
		wants(t, s, handle(t.Context(), s, event), "fails", TimedOut)
		if took := time.Since(begin); took != 5*time.Second {
			t.Errorf("after %v", took)
		}
	})
}

func TestQ14DialTakesTooLong(t *testing.T) {
	t.Parallel()
	s := newSink(t, "http://receiver.example", Options{})
	silent := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	s.transport = newTransport(s.opts, nil, net.Dialer{Timeout: 20 * time.Millisecond, Resolver: silent})
	begin := time.Now()
	wants(t, s, handle(t.Context(), s, event), "fails", TimedOut)
	if took := time.Since(begin); took > 4*time.Second { // the resolver's own limit is 5 s
		t.Errorf("after %v", took)
	}
}

// What real connections do that pipes do not.
func TestQ14BadConnections(t *testing.T) {
	t.Parallel()
	raw := func(answer string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			io.WriteString(c, answer)
			c.Close()
		}
	}
	for name, test := range map[string]struct {
		h       http.HandlerFunc
		asked   string
		outcome Outcome
		says    string
	}{
		"reset": {func(w http.ResponseWriter, r *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			c.(*net.TCPConn).SetLinger(0)
			c.Close()
		}, "fails", Unreachable, "reset by peer"},
		"closed without an answer": {raw(""), "fails", Unreachable, "EOF"},
		"closed within the header": {raw("HTTP/1.1 200 OK\r\nContent-"), "fails", Unreachable, "connection broken"},
		"closed within the body":   {raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"), "done", Delivered, ""},
		"closed within an error":   {raw("HTTP/1.1 400 No\r\nContent-Length: 100\r\n\r\nabc"), toDeadLetters, Refused, `400 Bad Request: "abc"`},
		"another protocol":         {raw("220 smtp.example ready\r\n"), "fails", Unreachable, "malformed HTTP"},
		"a header too large":       {raw("HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("a", 2*maxHeaderBytes) + "\r\n\r\n"), "fails", Unreachable, "exceeded"},
		"a length that is none":    {raw("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), "fails", Unreachable, "Content-Length"},
		"chunks that are none":     {raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), "done", Delivered, ""},
		"no answer, in real time":  {func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "fails", TimedOut, "within 300ms"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := receiver(t, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body) // or its context does not end
				test.h(w, r)
			})
			o := Options{}
			if test.outcome == TimedOut {
				o.Timeout = 300 * time.Millisecond
			}
			s := newSink(t, server.URL, o)
			err := handle(t.Context(), s, event)
			wants(t, s, err, test.asked, test.outcome)
			if err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("want %q in: %v", test.says, err)
			}
		})
	}
}

func TestQ14NobodyListens(t *testing.T) {
	t.Parallel()
	server := receiver(t, answers(200))
	server.Close()
	s := newSink(t, server.URL, Options{})
	wants(t, s, handle(t.Context(), s, event), "fails", Unreachable)
}

// An idle connection that the receiver has closed meanwhile causes no failure.
func TestQ14ClosedIdleConnection(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	server := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if requests.Add(1) != 2 {
			return
		}
		c, _, err := http.NewResponseController(w).Hijack() // as if it had been closed before
		if err != nil {
			t.Error(err)
			return
		}
		c.Close()
	})
	s := newSink(t, server.URL, Options{})
	for range 2 {
		wants(t, s, handle(t.Context(), s, event), "done", Delivered)
	}
	if requests.Load() != 3 {
		t.Errorf("%d requests", requests.Load())
	}
}

// Of an endless or a compressed answer no more is read than of any other.
func TestQ14HugeAnswers(t *testing.T) {
	t.Parallel()
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	z.Write(make([]byte, 1<<20))
	z.Close()
	for name, test := range map[string]struct {
		status  int
		headers []string
		chunk   []byte
		repeat  int
		asked   string
	}{
		"endless 200": {200, nil, bytes.Repeat([]byte{'a'}, 4<<10), 1 << 30, "done"},
		"endless 500": {500, nil, bytes.Repeat([]byte{'a'}, 4<<10), 1 << 30, "fails"},
		"gzip bomb":   {500, []string{"Content-Encoding", "gzip"}, bomb.Bytes(), 1 << 10, "fails"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var encoding atomic.Value
			server := receiver(t, func(w http.ResponseWriter, r *http.Request) {
				encoding.Store(r.Header.Get("Accept-Encoding"))
				answers(test.status, test.headers...)(w, r)
				for range test.repeat {
					if _, err := w.Write(test.chunk); err != nil {
						return
					}
				}
			})
			s := newSink(t, server.URL, Options{})
			err := handle(t.Context(), s, event)
			if f := asked(err); f != test.asked || err != nil && len(err.Error()) > 400 {
				t.Errorf("%s, want %s: %v", f, test.asked, err)
			}
			if encoding.Load() != "" {
				t.Errorf("asks for the encoding %q", encoding.Load())
			}
		})
	}
}

// read takes no more than the limit of a body.
func TestAnswerBodyIsBounded(t *testing.T) {
	t.Parallel()
	body := strings.NewReader(strings.Repeat("a", 2*maxAnswerBytes))
	a := read(&http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(body)})
	if len(a.body) != maxAnswerBytes || body.Len() != maxAnswerBytes {
		t.Errorf("%d bytes, %d left", len(a.body), body.Len())
	}
}

func TestQ14Certificates(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(answers(200))
	server.Config.ErrorLog = stdlog.New(io.Discard, "", 0) // it would complain of its clients
	server.StartTLS()
	t.Cleanup(server.Close)
	trusted := x509.NewCertPool()
	trusted.AddCert(server.Certificate())
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	for name, test := range map[string]struct {
		host  string
		roots *x509.CertPool
		says  string
	}{
		"trusted":      {"127.0.0.1", trusted, ""},
		"nobody's":     {"127.0.0.1", x509.NewCertPool(), "certificate signed by unknown authority"},
		"another name": {"localhost", trusted, "certificate is"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSink(t, "https://"+net.JoinHostPort(test.host, port), Options{RootCAs: test.roots})
			err := handle(t.Context(), s, event)
			if test.says == "" {
				wants(t, s, err, "done", Delivered)
				return
			}
			wants(t, s, err, "fails", Unreachable)
			if !strings.Contains(err.Error(), test.says) {
				t.Error(err)
			}
		})
	}
}
