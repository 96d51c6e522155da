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
	// idleTimeout closes connections that nobody uses.
	idleTimeout = 90 * time.Second
	// maxHeaderBytes bounds the header of an answer.
	maxHeaderBytes = 64 << 10
)

// newTransport makes a transport that asks permitted for every address it is
// about to connect to, whatever name it belongs to. The resolver is Go's where it
// is nil. It uses no proxy: that would resolve names by itself. It speaks
// HTTP/1.1, where a connection carries one request and goes with it.
func newTransport(o Options, permitted func(netip.Addr) error, resolver *net.Resolver) *http.Transport {
	dialer := &net.Dialer{
		Timeout:  o.ConnectTimeout,
		Resolver: resolver,
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil {
				return fmt.Errorf("%w: %s cannot be read", errAddress, address)
			}
			return permitted(to.Addr())
		},
	}
	return &http.Transport{
		Proxy:                  nil,
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    o.ConnectTimeout,
		ResponseHeaderTimeout:  o.HeaderTimeout,
		IdleConnTimeout:        idleTimeout,
		MaxIdleConnsPerHost:    o.Concurrency,
		MaxResponseHeaderBytes: maxHeaderBytes,
		DisableCompression:     true, // what is bounded is what comes over the wire
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.RootCAs},
	}
}
