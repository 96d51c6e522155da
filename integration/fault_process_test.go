package integration

import (
	"testing"
	"time"
)

// TestS13ProjectorStopped stops the projector that reads gracefully. Another one
// goes on, and none of them expires its session.
func TestS13ProjectorStopped(t *testing.T) {
	t.Parallel()
	p := newPlant(t, several)
	stopped := p.takeReader()
	stopped.stop()
	p.recover()
	p.undisturbed()
	p.nobodyExpired(stopped)
}

// TestS13ProjectorsReplaced replaces all projectors, one after the other, as the
// roll-out of a new version does.
func TestS13ProjectorsReplaced(t *testing.T) {
	t.Parallel()
	p := newPlant(t, several)
	replaced := p.projectors
	for _, old := range replaced {
		p.startProjector()
		p.projectors = without(p.projectors, old)
		old.stop()
		p.reader(p.projectors...)
	}
	p.recover()
	p.undisturbed()
	p.nobodyExpired(replaced...)
}

// TestProjectorKilled kills the projector that reads. Another one waits for its
// lease and goes on.
func TestProjectorKilled(t *testing.T) {
	t.Parallel()
	p := newPlant(t, several)
	p.takeReader().kill()
	p.recover()
	p.undisturbed()
}

// TestSingleProjectorKilled kills the only projector, and starts another one.
func TestSingleProjectorKilled(t *testing.T) {
	t.Parallel()
	p := newPlant(t, single)
	p.takeReader().kill()
	p.startProjector()
	p.recover()
	p.undisturbed()
}

// TestSingleProjectorFrozen freezes the only projector for longer than its lease.
// No other worker has expired its session, and it goes on.
func TestSingleProjectorFrozen(t *testing.T) {
	t.Parallel()
	p := newPlant(t, single)
	p.projectors[0].freeze()
	time.Sleep(leaseTime + 3*time.Second) // is the fault
	p.projectors[0].thaw()
	p.recover()
	p.quiet()
	p.nobodyExpired()
}

// TestS5ProjectorFrozenAndReplaced freezes the projector that reads for so long
// that another one takes over. When it wakes up it notices, and rejoins.
func TestS5ProjectorFrozenAndReplaced(t *testing.T) {
	t.Parallel()
	p := newPlant(t, several)
	frozen := p.takeReader()
	frozen.freeze()
	p.reader(p.projectors...)
	p.projectors = append(p.projectors, frozen)
	frozen.thaw()
	if err := frozen.says("this worker's session was expired: others have its shards, and it rejoins"); err != nil {
		t.Error(err)
	}
	p.recover()
	p.quiet()
}

// TestQ10ConsumerStopped stops the consumer gracefully and starts another one.
func TestQ10ConsumerStopped(t *testing.T) {
	t.Parallel()
	p := newPlant(t, several)
	p.consumer.stop()
	p.startConsumer()
	p.recover()
	p.undisturbed()
}

// TestConsumerKilled kills the consumer. The messages that it had in flight are delivered again.
func TestConsumerKilled(t *testing.T) {
	t.Parallel()
	p := newPlant(t, several)
	p.consumer.kill()
	p.startConsumer()
	p.recover()
	p.undisturbed()
}

// TestConsumerFrozen freezes the consumer for longer than the visibility timeout
// of the messages that it has in flight.
func TestConsumerFrozen(t *testing.T) {
	t.Parallel()
	p := newPlant(t, several)
	p.consumer.freeze()
	time.Sleep(8 * time.Second) // is the fault
	p.consumer.thaw()
	p.recover()
	p.quiet()
}

// nobodyExpired expects that no projector has expired the session of another one,
// unless one of those that were stopped says that it could not leave.
func (p *plant) nobodyExpired(stopped ...*process) {
	p.t.Helper()
	for _, s := range stopped {
		if s.said("the worker group could not be left") {
			return
		}
	}
	for _, d := range p.projectors {
		if d.said(expiredSession) {
			p.t.Errorf("%s has expired the session of another one", d.name)
		}
	}
}
