package integration

import (
	"net/http"
	"strings"
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
	n.open("127.0.0.1:0", s.address())
	t.Cleanup(n.cut)
	return n
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
