package redrive

import (
	"context"
	"time"

	"github.com/postroom/postroom/backend"
)

const (
	// hidden is for how long a letter in hand is out of sight. One that is in
	// hand for longer comes again, and is known.
	hidden = 2 * time.Minute
	// wait is how long a receive waits for letters. Any is long enough for SQS to
	// ask all of its servers.
	wait = time.Second
	// maxHeld bounds the letters in hand, below the 120,000 that SQS has in
	// flight. Source: SQS developer guide, message quotas.
	maxHeld = 100_000
	// grace is how long what is on its way goes on when the run is stopped.
	grace = 1500 * time.Millisecond
)

// run is one run. It is of one goroutine.
type run struct {
	dead, queue backend.Queue
	opts        Options
	began       time.Time
	settling    context.Context // outlives the one of Run by grace

	known   map[string]*letter // by message id: all that was received and not deleted
	held    int                // of them, those in hand
	seen    int                // letters so far
	taken   int                // of them, those to be moved
	due     time.Time          // when the next may be sent
	stopped map[string]bool    // groups in which a letter failed
	fresh   map[string]bool    // groups with new letters in this pass
	report  Report
}

// letter is a letter in the dead-letter queue.
type letter struct {
	backend.Delivery

	number   int  // in the order of the first receipt
	held     bool // in hand: out of sight, to be given back
	redrives int
}

// lane is what a letter must not overtake others in; empty: it may.
func (l *letter) lane() string {
	if l.DeduplicationID == "" { // a standard queue, whose groups have no order
		return ""
	}
	return l.GroupID
}

// run goes over the queue, and again as long as there may be letters behind
// others of their group that were given back.
func (r *run) run(ctx context.Context) error {
	for {
		r.fresh = map[string]bool{}
		over, err := r.pass(ctx)
		if err != nil || over {
			return err
		}
		again := func(l *letter) bool { return r.fresh[l.lane()] }
		if !r.holds(again) {
			return nil
		}
		if err := r.giveBack(again); err != nil {
			return err
		}
	}
}

func (r *run) holds(which func(*letter) bool) bool {
	for _, l := range r.known {
		if l.held && which(l) {
			return true
		}
	}
	return false
}

// pass takes letters in hand until no new ones come. Over: the run is.
func (r *run) pass(ctx context.Context) (over bool, err error) {
	for repeated := 0; repeated <= len(r.known); {
		got, err := r.receive(ctx)
		if err != nil || len(got) == 0 {
			return false, err
		}
		letters := r.admit(got)
		if len(letters) == 0 {
			repeated += len(got)
			continue
		}
		repeated = 0
		if err := r.work(ctx, letters); err != nil {
			return false, err
		}
		if r.full() || r.held >= maxHeld {
			return true, nil
		}
	}
	return false, nil
}

// full reports whether as many as wanted were taken.
func (r *run) full() bool { return r.opts.Max > 0 && r.taken >= r.opts.Max }

func (r *run) receive(ctx context.Context) (got []backend.Delivery, err error) {
	err = insist(ctx, func(ctx context.Context) error {
		got, err = r.dead.Receive(ctx, backend.MaxQueueBatch, wait, hidden)
		return err
	})
	return got, err
}

// admit takes deliveries in hand and returns the new ones. Of those that were
// seen before it notes the newer receipt.
func (r *run) admit(got []backend.Delivery) (letters []*letter) {
	for _, d := range got {
		l := r.known[d.MessageID]
		if l == nil {
			l = &letter{Delivery: d, number: r.seen, redrives: redrives(d)}
			r.known[d.MessageID] = l
			r.seen++
			letters = append(letters, l)
		}
		l.Receipt = d.Receipt
		if !l.held {
			l.held = true
			r.held++
		}
	}
	return letters
}

// drop notes that letters are not in hand any more.
func (r *run) drop(letters []*letter) {
	for _, l := range letters {
		l.held = false
	}
	r.held -= len(letters)
}

// forget lets letters that are not in hand be new when they come again.
func (r *run) forget(letters []*letter) {
	for _, l := range letters {
		delete(r.known, l.MessageID)
	}
}

// countUnseen asks what lies in the queue besides what was looked at.
func (r *run) countUnseen(ctx context.Context) error {
	d, err := r.dead.Depth(ctx)
	r.report.Unseen = max(0, d.Visible+d.InFlight+d.Delayed-len(r.known))
	return err
}
