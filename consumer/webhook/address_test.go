package webhook

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
)

func TestQ14AddressesByReach(t *testing.T) {
	t.Parallel()
	type reach struct{ careful, lenient string } // what permit says where nothing is allowed, and where all is
	var (
		public  = reach{"", "use https"}
		private = reach{"allow private addresses", ""}
		never   = reach{"special range", "special range"}
	)
	says := func(err error, want string) bool {
		return (err == nil) == (want == "") && (err == nil || strings.Contains(err.Error(), want))
	}
	check := func(a netip.Addr, want reach) {
		if err := permit(a, false, false); !says(err, want.careful) {
			t.Errorf("%v, if nothing is allowed: %v, want %q", a, err, want.careful)
		}
		if err := permit(a, true, true); !says(err, want.lenient) {
			t.Errorf("%v, if private addresses are allowed, by plain http: %v, want %q", a, err, want.lenient)
		}
	}
	for want, addresses := range map[reach]string{
		public: `1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0
			169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 192.167.255.255 192.169.0.0
			198.17.255.255 198.20.0.0 223.255.255.255 2606:4700::1111 2a00:1450::1 2400::1
			::ffff:1.1.1.1 64:ff9b::1.1.1.1 2002:101:101::1`,
		private: `127.0.0.1 127.255.255.255 10.0.0.0 10.255.255.255 172.16.0.1 172.31.255.255 192.168.0.1
			100.64.0.0 100.127.255.255 198.18.0.0 198.19.255.255 ::1 fc00::1 fdff::1
			::ffff:127.0.0.1 ::ffff:10.1.2.3 64:ff9b::10.1.2.3 64:ff9b::7f00:1 2002:7f00:1:: 2002:c0a8:101::1`,
		never: `0.0.0.0 0.1.2.3 169.254.169.254 169.254.0.0 192.0.0.1 192.0.0.192 192.0.2.1 198.51.100.1
			203.0.113.255 192.88.99.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
			100.100.100.200 168.63.129.16 fd00:ec2::254
			:: ::2 ::127.0.0.1 fe80::1 fe80::1%eth0 fec0::1 ff02::1 100::1 64:ff9b:1::1 2001::1 2001:2::1
			2001:db8::1 3fff::1 5f00::1 4000::1 ::ffff:169.254.169.254 64:ff9b::a9fe:a9fe 2002:a9fe:a9fe::1
			2002:e000:1::1 ::ffff:0.0.0.0`,
	} {
		for text := range strings.FieldsSeq(addresses) {
			check(netip.MustParseAddr(text), want)
		}
	}
	check(netip.Addr{}, never)
}

func TestQ14WhereRequestsMayGo(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		address             string
		allowPrivate, plain bool
		says                string
	}{
		{"1.1.1.1", false, false, ""},
		{"1.1.1.1", true, false, ""},
		{"1.1.1.1", true, true, "use https"},
		{"10.1.2.3", false, false, "allow private addresses"},
		{"10.1.2.3", true, false, ""},
		{"10.1.2.3", true, true, ""},
		{"169.254.169.254", true, true, "special range"},
	} {
		err := permit(netip.MustParseAddr(test.address), test.allowPrivate, test.plain)
		if (test.says == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%+v: %v", test, err)
		}
	}
}

// Whatever name leads to it, a private address is not called.
func TestQ14PrivateAddressBehindAName(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("was called") }))
	t.Cleanup(server.Close)
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	s, err := New("https://localhost:"+port, []Key{testKey(t, 1)}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = handle(t.Context(), s, event)
	wants(t, s, err, "fails", Forbidden)
	if !strings.Contains(err.Error(), "allow private addresses") {
		t.Error(err)
	}
}

// A name that leads to a public address first and to this machine afterwards is
// not followed there. 127.0.0.2 is the public one here.
func TestQ14NameThatChangesItsAddress(t *testing.T) {
	t.Parallel()
	public, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: public, Config: &http.Server{Handler: answers(204, "Connection", "close")}}
	server.Start()
	t.Cleanup(server.Close)
	_, port, _ := net.SplitHostPort(public.Addr().String())
	inside, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { inside.Close() })
	var reached atomic.Bool
	go func() {
		if c, err := inside.Accept(); err == nil {
			reached.Store(true)
			c.Close()
		}
	}()

	s := newSink(t, "http://rebinding.example:"+port, Options{})
	var lookups atomic.Int64
	s.transport = newTransport(s.opts, func(a netip.Addr) error {
		if a != netip.MustParseAddr("127.0.0.2") {
			return permit(a, false, false)
		}
		return nil
	}, net.Dialer{Resolver: nameServer(func() [4]byte {
		if lookups.Add(1) == 1 {
			return [4]byte{127, 0, 0, 2}
		}
		return [4]byte{127, 0, 0, 1}
	})})
	wants(t, s, handle(t.Context(), s, event), "done", Delivered)
	err = handle(t.Context(), s, event)
	wants(t, s, err, "fails", Forbidden)
	if !strings.Contains(err.Error(), "127.0.0.1 is private") || lookups.Load() != 2 || reached.Load() {
		t.Errorf("after %d look-ups, reached: %v: %v", lookups.Load(), reached.Load(), err)
	}
}

// nameServer is a resolver for which every name has the address that next
// returns, and no IPv6 address.
func nameServer(next func() [4]byte) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			for answerQuestion(server, next) == nil {
			}
		}()
		return client, nil
	}}
}

// answerQuestion speaks DNS over a stream: each message has its length before it.
// Source: RFC 1035, 4.1 and 4.2.2.
func answerQuestion(c net.Conn, next func() [4]byte) error {
	var length [2]byte
	if _, err := io.ReadFull(c, length[:]); err != nil {
		return err
	}
	m := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(c, m); err != nil {
		return err
	}
	const header = 12
	end := header
	for end < len(m) && m[end] != 0 { // the labels of the name
		end += 1 + int(m[end])
	}
	end += 5 // the root, type and class
	if end > len(m) {
		return errors.New("malformed question")
	}
	isA := binary.BigEndian.Uint16(m[end-4:]) == 1
	m = m[:end]
	copy(m[2:header], []byte{0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}) // an answer, one question
	if isA {
		a := next()
		m[7] = 1                                                  // one answer
		m = append(m, 0xc0, header, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4) // the name of the question, A, IN, not to be kept
		m = append(m, a[:]...)
	}
	_, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...))
	return err
}

// A proxy would resolve the name by itself.
func TestQ14NoProxyOfTheEnvironment(t *testing.T) {
	proxy := receiver(t, func(http.ResponseWriter, *http.Request) { t.Error("the proxy was called") })
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"} {
		t.Setenv(name, proxy.URL)
	}
	s := newSink(t, "http://receiver.example", Options{})
	if s.transport.Proxy != nil {
		t.Error("a proxy may be used")
	}
	s.transport = newTransport(s.opts, func(a netip.Addr) error { return permit(a, false, true) },
		net.Dialer{Resolver: nameServer(func() [4]byte { return [4]byte{10, 0, 0, 1} })})
	wants(t, s, handle(t.Context(), s, event), "fails", Forbidden)
}
