package integration

import (
	"testing"
	"time"
)

// TestServerPaused stops the server for 20 s in the middle of everything.
func TestServerPaused(t *testing.T) {
	t.Parallel()
	p := newPlant(t, several)
	if err := p.server.pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Second) // is the fault
	if err := p.server.resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.recover()
	p.quiet()
}

// TestServerKilledAndRestarted kills the server and starts it again. A server
// that keeps its data goes on with it; one that does not starts over.
func TestServerKilledAndRestarted(t *testing.T) {
	t.Parallel()
	p := newPlant(t, several)
	if err := p.server.kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * time.Second) // is the fault
	if err := p.server.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.network.lead(p.server)
	p.producers.lead(p.server)
	if p.run("status").code != 0 {
		p.startOver()
		return
	}
	p.recover()
	p.quiet()
}

// TestServerRemoved removes the server with all it holds. The pipeline starts
// over on the next one.
func TestServerRemoved(t *testing.T) {
	t.Parallel()
	p := newPlant(t, several)
	if err := p.server.remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.server = ownServer(t)
	p.network.lead(p.server)
	p.producers.lead(p.server)
	p.startOver()
}

// startOver is what the operator and the producers do when everything is gone:
// provision, and post again what there was. Daemons that give up are started
// again by whoever supervises them. What was delivered before may be delivered
// again, unless the consumer remembers it.
func (p *plant) startOver() {
	p.t.Helper()
	p.rows.end()
	p.provision()
	since := time.Now()
	p.load.end()
	posted := p.posted
	p.posted = nil
	p.post(p.producers.url(), posted...)
	stop := p.supervise()
	p.settle()
	p.t.Logf("RECOVERY %s: %.1f s", p.t.Name(), time.Since(since).Seconds())
	stop()
	p.quiet()
}

// supervise starts a daemon again when it ends, as systemd or Docker would.
func (p *plant) supervise() (stop func()) {
	ticker := time.NewTicker(500 * time.Millisecond)
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			for _, projector := range p.projectors {
				if !projector.running() {
					p.projectors = without(p.projectors, projector)
					p.startProjector()
				}
			}
			if !p.consumer.running() {
				p.startConsumer()
			}
			select {
			case <-ticker.C:
			case <-end:
				return
			}
		}
	}()
	return func() {
		ticker.Stop()
		close(end)
		<-ended
	}
}
