package integration

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// network is a proxy between some of our processes and the server, which a test can
// break. Every change ends all connections: Toxiproxy can get stuck when the toxics
// of a living connection change.
type network struct {
	t     *testing.T
	proxy *toxiproxy.Proxy
}

// newNetwork returns a proxy to a server in a container.
func newNetwork(t *testing.T, s *server) *network {
	t.Helper()
	n := &network{t: t}
	n.open(freeAddress(t), s.address())
	t.Cleanup(n.cut)
	return n
}

// networks counts networks: each has a port of its own. All ports are below those
// from which systems take one for a connection that goes out, which could have the
// port of a network that is cut.
var networks atomic.Int32

// freeAddress is one that nobody listens at.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 1000 {
		address := fmt.Sprintf("127.0.0.1:%d", 20000+(os.Getpid()+int(networks.Add(1)))%10000)
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
		if err == nil {
			_ = l.Close()
			return address
		}
	}
	t.Fatal("no port is free from 20000 to 29999")
	return ""
}

// open listens at an address, and connects to another one.
func (n *network) open(at, to string, toxics ...string) {
	n.t.Helper()
	host := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	n.proxy = toxiproxy.NewProxy(host, n.t.Name(), at, to)
	for _, toxic := range toxics {
		if _, err := n.proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
			n.t.Fatal(err)
		}
	}
	if err := n.proxy.Start(); err != nil {
		n.t.Fatal(err)
	}
}

// url is the server's URL behind this proxy.
func (n *network) url() string { return "http://" + n.proxy.Listen }

// cut ends every connection, and refuses new ones until restore.
func (n *network) cut() { n.proxy.Stop() }

// lead connects the proxy to the server's present address.
func (n *network) lead(s *server) {
	n.t.Helper()
	n.cut()
	n.open(n.proxy.Listen, s.address())
}

// disturb adds toxics, in the JSON of Toxiproxy's API.
func (n *network) disturb(toxics ...string) {
	n.t.Helper()
	n.cut()
	n.open(n.proxy.Listen, n.proxy.Upstream, toxics...)
}

// restore undoes everything that was done to the network.
func (n *network) restore() { n.disturb() }

// operation is what a request to DynamoDB or SQS asks for, such as
// "TransactWriteItems".
func operation(r *http.Request) string {
	target := r.Header.Get("X-Amz-Target")
	return target[strings.LastIndex(target, ".")+1:]
}
