package redrive

import (
	"errors"
	"fmt"
	"maps"
	"strconv"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/consumer"
	"github.com/postroom/postroom/internal/batch"
)

// CountAttribute of a message is how often it was redriven.
const CountAttribute = "RedriveCount"

// redrives reads [CountAttribute]; what is no number is 0.
func redrives(d backend.Delivery) int {
	n, err := strconv.Atoi(d.Attributes[CountAttribute])
	if err != nil {
		return 0
	}
	return max(0, n)
}

var (
	errYounger = errors.New("was sent after this run began")
	errBehind  = errors.New("waits for one of its group that failed")
)

// decide returns the letters that are to be moved, by lanes, and tells the fate
// of the others.
func (r *run) decide(letters []*letter) (lanes [][]*letter) {
	byGroup := map[string]int{}
	for _, l := range letters {
		if r.full() {
			break // the others are given back without a look
		}
		if state, err := r.judge(l); state != Moved {
			r.end(l, state, err)
			continue
		}
		r.taken++
		lane := l.lane()
		i, ok := byGroup[lane]
		if !ok || lane == "" {
			i = len(lanes)
			lanes, byGroup[lane] = append(lanes, nil), i
		}
		lanes[i] = append(lanes[i], l)
	}
	return lanes
}

// judge tells what is to become of a letter.
func (r *run) judge(l *letter) (State, error) {
	if l.SentAt.After(r.began) {
		return Left, errYounger
	}
	if lane := l.lane(); lane != "" {
		r.fresh[lane] = true
	}
	switch {
	case !r.opts.Filter(l.Delivery):
		return Left, nil
	case l.redrives >= r.opts.MaxRedrives && !r.opts.Force:
		return Refused, fmt.Errorf("was redriven %d times already", l.redrives)
	case r.stopped[l.lane()]:
		return Failed, errBehind
	}
	if err := fits(l.entry()); err != nil {
		return Refused, err
	}
	return Moved, nil
}

// end tells what became of a letter, and keeps no more of it than it takes to
// give it back.
func (r *run) end(l *letter, state State, err error) {
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
	r.opts.Each(Outcome{Letter: l.Delivery, Redrives: l.redrives, State: state, Err: err})
	l.Body, l.Attributes = "", nil
}

// entry is a letter as it is sent.
func (l *letter) entry() backend.SendEntry {
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

// fits reports why an entry is none that a queue takes. The dead-letter queue
// took it, but without its count.
func fits(e backend.SendEntry) error {
	if n := len(e.Attributes); n > backend.MaxAttributes {
		return fmt.Errorf("has %d attributes with %s, and %d is the most", n, CountAttribute, backend.MaxAttributes)
	}
	if n := batch.SizeBytes(e); n > backend.MaxQueueBytes {
		return fmt.Errorf("has %d bytes with %s, and %d is the most", n, CountAttribute, backend.MaxQueueBytes)
	}
	return nil
}
