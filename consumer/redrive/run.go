package redrive

import (
	"context"
	"time"

	"golang.org/x/time/rate"

	"github.com/postroom/postroom/backend"
)

const (
	// hidden is for how long a dead letter in flight is out of sight. One that is in
	// flight for longer is received again, and recognized.
	hidden = 2 * time.Minute
	// wait is how long a receive waits for dead letters. Any time is long enough for
	// SQS to ask all of its servers.
	wait = time.Second
	// maxInFlight stays below the 120,000 messages that SQS allows to be in flight.
	// Source: SQS developer guide, message quotas.
	maxInFlight = 100_000
	// grace is how long calls under way may go on when the run is stopped.
	grace = 1500 * time.Millisecond
)

// run is one run, of one goroutine. Its methods wait for ctx, the one of [Run]; calls
// that must not be cut short use calling, which outlives it by the grace.
type run struct {
	dead, queue backend.Queue
	opts        Options
	began       time.Time
	limiter     *rate.Limiter

	known    map[string]*deadLetter // by message id: all that were received and not deleted
	inFlight int                    // how many of them are in flight
	seen     int                    // dead letters so far
	taken    int                    // how many of them were to be moved
	stopped  map[string]bool        // lanes in which a dead letter failed
	fresh    map[string]bool        // lanes with new dead letters in this pass
	report   Report
}

// deadLetter is a message of the dead-letter queue.
type deadLetter struct {
	backend.Delivery

	number   int  // in the order of their first receipts
	inFlight bool // out of sight, and to be released
	redrives int
}

// lane identifies the dead letters that must keep their order; with an empty one
// order does not matter.
func (l *deadLetter) lane() string {
	if l.DeduplicationID == "" { // a standard queue, whose groups have no order
		return ""
	}
	return l.GroupID
}

// run makes passes over the queue as long as there may be dead letters behind
// others of their group that were released.
func (r *run) run(ctx, calling context.Context) error {
	for {
		r.fresh = map[string]bool{}
		over, err := r.pass(ctx, calling)
		if err != nil || over {
			return err
		}
		again := func(l *deadLetter) bool { return r.fresh[l.lane()] }
		if len(r.inFlightWhere(again)) == 0 {
			return nil
		}
		if err := r.release(calling, again); err != nil {
			return err
		}
	}
}

// pass receives dead letters until no new ones come. It returns true if the run is
// over.
func (r *run) pass(ctx, calling context.Context) (over bool, err error) {
	for repeated := 0; repeated <= len(r.known); {
		brought, err := r.receive(ctx)
		if err != nil || len(brought) == 0 {
			return false, err
		}
		letters := r.admit(brought)
		if len(letters) == 0 {
			repeated += len(brought)
			continue
		}
		repeated = 0
		if err := r.process(ctx, calling, letters); err != nil {
			return false, err
		}
		if r.full() || r.inFlight >= maxInFlight {
			return true, nil
		}
	}
	return false, nil
}

// full reports whether as many as wanted were taken.
func (r *run) full() bool { return r.opts.Max > 0 && r.taken >= r.opts.Max }

func (r *run) receive(ctx context.Context) (brought []backend.Delivery, err error) {
	err = policy.Do(ctx, func(ctx context.Context) error {
		brought, err = r.dead.Receive(ctx, backend.MaxQueueBatch, wait, hidden)
		return err
	})
	return brought, err
}

// admit records deliveries, and returns the new ones. Of one that was seen before it
// records the newer receipt.
func (r *run) admit(brought []backend.Delivery) (letters []*deadLetter) {
	for _, d := range brought {
		l := r.known[d.MessageID]
		if l == nil {
			l = &deadLetter{Delivery: d, number: r.seen, redrives: redrives(d)}
			r.known[d.MessageID] = l
			r.seen++
			letters = append(letters, l)
		}
		l.Receipt = d.Receipt
		if !l.inFlight {
			l.inFlight = true
			r.inFlight++
		}
	}
	return letters
}

// landed records that dead letters are not in flight any more.
func (r *run) landed(letters []*deadLetter) {
	for _, l := range letters {
		l.inFlight = false
	}
	r.inFlight -= len(letters)
}

// forget has dead letters count as new if they come again.
func (r *run) forget(letters []*deadLetter) {
	for _, l := range letters {
		delete(r.known, l.MessageID)
	}
}

// countUnseen counts the dead letters in the queue that the run has not seen.
func (r *run) countUnseen(ctx context.Context) error {
	d, err := r.dead.Depth(ctx)
	r.report.Unseen = max(0, d.Visible+d.InFlight+d.Delayed-len(r.known))
	return err
}
