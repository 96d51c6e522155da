package integration

import (
	"testing"
	"time"
)

// TestS13ProjectorStopped stops the projector in peace and starts another one.
func TestS13ProjectorStopped(t *testing.T) {
	t.Parallel()
	p := newPlant(t)
	p.projector.stop()
	p.startProjector()
	p.recover()
	p.quiet(0)
}

// TestProjectorKilled kills the projector. The next one waits for its lease.
func TestProjectorKilled(t *testing.T) {
	t.Parallel()
	p := newPlant(t)
	p.projector.kill()
	p.startProjector()
	p.recover()
	p.quiet(0)
}

// TestProjectorFrozen freezes the projector for longer than its lease, when
// nobody else is there.
func TestProjectorFrozen(t *testing.T) {
	t.Parallel()
	p := newPlant(t)
	p.projector.freeze()
	time.Sleep(leaseTime + 3*time.Second) // is the fault
	p.projector.thaw()
	p.recover()
	p.quiet(1)
}

// leaseTime is how long a projector that is not heard of keeps the stream.
const leaseTime = 10 * time.Second

// TestS5ProjectorFrozenAndReplaced freezes the projector for so long that another
// one takes over. When it wakes up it notices, and stops.
func TestS5ProjectorFrozenAndReplaced(t *testing.T) {
	t.Parallel()
	p := newPlant(t)
	frozen := p.projector
	frozen.freeze()
	p.startProjector()
	if err := p.projector.says("taking the stream over"); err != nil {
		t.Fatal(err)
	}
	if err := p.projector.says(`"reading the stream"`); err != nil {
		t.Fatal(err)
	}
	frozen.thaw()
	if err := await(t.Context(), "the frozen projector to end", frozen.exited); err != nil {
		t.Error(err)
	}
	if err := frozen.says("taken over by"); err != nil {
		t.Error(err)
	}
	p.recover()
	p.quiet(1)
}

// TestQ10ConsumerStopped stops the consumer in peace and starts another one.
func TestQ10ConsumerStopped(t *testing.T) {
	t.Parallel()
	p := newPlant(t)
	p.consumer.stop()
	p.startConsumer()
	p.recover()
	p.quiet(0)
}

// TestConsumerKilled kills the consumer. What it had in hand comes again.
func TestConsumerKilled(t *testing.T) {
	t.Parallel()
	p := newPlant(t)
	p.consumer.kill()
	p.startConsumer()
	p.recover()
	p.quiet(0)
}

// TestConsumerFrozen freezes the consumer for longer than what it has in hand
// is hidden.
func TestConsumerFrozen(t *testing.T) {
	t.Parallel()
	p := newPlant(t)
	p.consumer.freeze()
	time.Sleep(8 * time.Second) // is the fault
	p.consumer.thaw()
	p.recover()
	p.quiet(1)
}
