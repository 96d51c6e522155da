package webhook

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

const (
	// connectTimeout bounds the dial, which includes resolving the name, and the
	// TLS handshake after it, each.
	connectTimeout = 5 * time.Second
	// idleTimeout is after how long an unused connection is closed.
	idleTimeout = 90 * time.Second
	// maxHeaderBytes bounds the header of an answer.
	maxHeaderBytes = 64 << 10
)

// newTransport returns a transport that asks permitted about every address before
// it connects to it, whatever name it belongs to. It uses no proxy, which would
// resolve names itself. It speaks HTTP/1.1, where a connection carries one request
// at a time and is closed with it.
func newTransport(o Options, permitted func(netip.Addr) error, dialer net.Dialer) *http.Transport {
	dialer.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%w: %s cannot be parsed", errAddress, address)
		}
		return permitted(to.Addr())
	}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    connectTimeout,
		IdleConnTimeout:        idleTimeout,
		MaxIdleConnsPerHost:    o.Concurrency,
		MaxResponseHeaderBytes: maxHeaderBytes,
		DisableCompression:     true, // so that the bytes on the wire are bounded
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.RootCAs},
	}
}
