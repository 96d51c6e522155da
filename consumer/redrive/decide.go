package redrive

import (
	"errors"
	"fmt"
	"maps"
	"strconv"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/consumer"
)

// CountAttribute is the attribute of a message that counts how often it was
// redriven.
const CountAttribute = "RedriveCount"

// maxRedrives is how often a dead letter is redriven unless the run is forced.
const maxRedrives = 10

// redrives reads [CountAttribute]; a text that is not a number counts as 0.
func redrives(d backend.Delivery) int {
	n, err := strconv.Atoi(d.Attributes[CountAttribute])
	if err != nil {
		return 0
	}
	return max(0, n)
}

var (
	errYounger = errors.New("was sent after this run began")
	errBehind  = errors.New("waits for another of its group that failed")
)

// toMove returns the dead letters that are to be moved, and ends the others.
func (r *run) toMove(letters []*deadLetter) (move []*deadLetter) {
	for _, l := range letters {
		if r.full() {
			break // the others are released without being looked at
		}
		if state, err := r.stateOf(l); state != Moved {
			r.end(l, state, err)
			continue
		}
		r.taken++
		move = append(move, l)
	}
	return move
}

// stateOf decides what to do with a dead letter: Moved means that it is to be moved.
func (r *run) stateOf(l *deadLetter) (State, error) {
	if l.SentAt.After(r.began) {
		return Left, errYounger
	}
	if lane := l.lane(); lane != "" {
		r.fresh[lane] = true
	}
	switch {
	case !r.opts.Filter(l.Delivery):
		return Left, nil
	case l.redrives >= maxRedrives && !r.opts.Force:
		return Refused, fmt.Errorf("was redriven %d times already", l.redrives)
	case r.stopped[l.lane()]:
		return Failed, errBehind
	}
	if err := fits(l.entry()); err != nil {
		return Refused, err
	}
	return Moved, nil
}

// end reports the outcome of a dead letter, and keeps no more of it than it takes to
// release it.
func (r *run) end(l *deadLetter, state State, err error) {
	switch state {
	case Moved:
		r.report.Moved++
	case Left:
		r.report.Left++
	case Refused:
		r.report.Refused++
	case Failed:
		r.report.Failed++
	}
	r.opts.Each(Outcome{DeadLetter: l.Delivery, Redrives: l.redrives, State: state, Err: err})
	l.Body, l.Attributes = "", nil
}

// entry returns a dead letter as it is sent.
func (l *deadLetter) entry() backend.SendEntry {
	attributes := map[string]string{}
	maps.Copy(attributes, l.Attributes)
	delete(attributes, consumer.ReasonAttribute)
	attributes[CountAttribute] = strconv.Itoa(l.redrives + 1)
	e := backend.SendEntry{Body: l.Body, GroupID: l.GroupID, Attributes: attributes}
	if l.DeduplicationID != "" {
		e.DeduplicationID = "redrive-" + l.MessageID
	}
	return e
}

// fits returns an error for an entry that a queue would refuse. The dead-letter
// queue took it, but without its count.
func fits(e backend.SendEntry) error {
	if n := len(e.Attributes); n > backend.MaxAttributes {
		return fmt.Errorf("has %d attributes with %s, at most %d are allowed", n, CountAttribute, backend.MaxAttributes)
	}
	if n := e.SizeBytes(); n > backend.MaxQueueBytes {
		return fmt.Errorf("has %d bytes with %s, at most %d are allowed", n, CountAttribute, backend.MaxQueueBytes)
	}
	return nil
}
