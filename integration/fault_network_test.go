package integration

import (
	"testing"
	"time"
)

// TestNetworkCut ends all connections of the daemons, and refuses new ones, for
// longer than the lease of the projector.
func TestNetworkCut(t *testing.T) {
	t.Parallel()
	p := newPlant(t, several)
	p.network.cut()
	time.Sleep(12 * time.Second) // is the fault
	p.network.restore()
	p.recover()
	p.quiet()
}

// TestNetworkSlow delays every answer by a third of a second or more, and lets
// little data through at a time.
func TestNetworkSlow(t *testing.T) {
	t.Parallel()
	p := newPlant(t, several)
	p.network.disturb(
		`{"name":"late","type":"latency","stream":"downstream","attributes":{"latency":350,"jitter":150}}`,
		`{"name":"narrow","type":"bandwidth","stream":"downstream","attributes":{"rate":64}}`,
	)
	time.Sleep(10 * time.Second) // is the fault
	p.network.restore()
	p.recover()
	p.quiet()
}

// TestNetworkResets breaks some connections in the middle of an answer, and others
// after the request: the server does what it asks for, and the sender does not
// learn of it.
func TestNetworkResets(t *testing.T) {
	t.Parallel()
	p := newPlant(t, several)
	p.network.disturb(`{"name":"half","type":"limit_data","stream":"downstream","toxicity":0.5,"attributes":{"bytes":3000}}`)
	time.Sleep(5 * time.Second) // is the fault
	p.network.disturb(`{"name":"reset","type":"reset_peer","stream":"downstream","toxicity":0.5,"attributes":{"timeout":20}}`)
	time.Sleep(5 * time.Second) // is the fault
	p.network.restore()
	p.recover()
	p.quiet()
}
