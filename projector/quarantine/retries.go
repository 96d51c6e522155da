package quarantine

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/batch"
	"github.com/postroom/postroom/internal/incident"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/internal/retry"
)

const (
	// retryPoll is the pause between looks for batches. It is shorter just after one.
	retryPoll      = 2 * time.Second
	settleTime     = 10 * time.Second // without a batch, before the log says that all were tried
	leastRetryPoll = 100 * time.Millisecond
	// retryRead is how many records are read at once: they may be large.
	retryRead = 25
)

// errGone: a message that is not in the log must not be shown.
var errGone = errors.New("the log does not hold the message any more")

// Retry is a message that is to be processed again.
type Retry struct {
	Kept *Kept // its record, which is there until it is processed, with the message as the log has it now
	// Done is to be called once, from any goroutine, when the message is processed, or
	// stays in quarantine ([Quarantine.Again]).
	Done func()
}

// RetriesConfig is what retries work on. All of it is required.
type RetriesConfig struct {
	Log        backend.Table // of the messages
	Quarantine *Quarantine
	// Submit takes over a message to process. It may block while too many are in
	// flight, until ctx is done; with an error it has not taken it over.
	Submit    func(ctx context.Context, r Retry) error
	Incidents *incident.Log
	Logger    *slog.Logger
}

// Retries works off the batches of records that are to be tried again. It is safe for
// concurrent use.
type Retries struct {
	RetriesConfig

	log  batch.Table
	loop retry.Loop

	mu    sync.Mutex
	leads bool
	since time.Time // when nothing was to be tried again any more; zero: not so, or not known
	last  time.Time // when there was a batch
	tried int       // records since the log last said that they are retried; 0: it did not
	left  int       // records of the batch that is worked off that are not done
	total int64     // records that were tried
}

// NewRetries makes no call.
func NewRetries(c RetriesConfig) *Retries {
	return &Retries{
		RetriesConfig: c, log: batch.NewTable(c.Log),
		loop: retry.Loop{
			Policy:    retry.Policy{Min: 20 * time.Millisecond, Max: 2 * time.Second, Patience: retry.Forever},
			Operation: c.Incidents.Operation("retrying quarantined records"),
		},
	}
}

// Lead works off batches, one after the other, until ctx is done. It is for the leader of
// the worker group, and harmless where another leads too: then records are tried by both.
func (r *Retries) Lead(ctx context.Context) error {
	r.setLeads(true)
	defer r.setLeads(false)
	for pause := leastRetryPoll; ; {
		var b *Batch
		_ = r.loop.Do(ctx, "batches", func(ctx context.Context) (err error) {
			b, err = r.next(ctx)
			return err
		})
		if ctx.Err() != nil {
			return nil
		}
		r.note(b)
		if b == nil {
			if retry.Sleep(ctx, pause, nil) != nil {
				return nil
			}
			pause = min(2*pause, retryPoll)
			continue
		}
		if r.workOff(ctx, *b) != nil {
			return nil // ctx is done
		}
		pause = leastRetryPoll
	}
}

// next returns the batch that was asked for first; nil: there is none.
func (r *Retries) next(ctx context.Context) (*Batch, error) {
	var damaged []*item.DamageError
	defer func() { r.Quarantine.aside.Set("retries", damaged) }()
	for it, err := range r.Quarantine.table.Query(ctx, backend.Query{PK: retryPartition, Limit: 2, Consistent: true}) {
		if err != nil {
			return nil, err
		}
		b, err := decodeBatch(it)
		if err == nil {
			return &b, nil
		}
		damage := item.AsDamaged(err)
		if damage == nil {
			return nil, err
		}
		damaged = append(damaged, damage)
	}
	return nil, nil
}

// workOff has the records of a batch tried again, waits until all of them were, and
// deletes it. Whoever comes after a crash does it again. An error says that ctx is done.
func (r *Retries) workOff(ctx context.Context, b Batch) error {
	r.setLeft(len(b.records))
	defer r.setLeft(0)
	limiter := rate.NewLimiter(rate.Limit(b.rate), 1)
	done := make(chan struct{}, len(b.records))
	submitted := 0
	for len(b.records) > 0 {
		n := min(retryRead, len(b.records))
		read, err := r.read(ctx, b.records[:n])
		if err != nil {
			return err
		}
		b.records = b.records[n:]
		r.done(n-len(read), 0)
		for _, k := range read {
			if err := retry.Sleep(ctx, limiter.Reserve().Delay(), nil); err != nil {
				return err
			}
			k.Done = func() {
				r.done(1, 1)
				done <- struct{}{}
			}
			if err := r.submit(ctx, k); err != nil {
				return err
			}
			submitted++
		}
	}
	for range submitted {
		select {
		case <-done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return r.loop.Do(ctx, "batches", func(ctx context.Context) error {
		return r.Quarantine.table.Delete(ctx, []backend.Key{b.key})
	})
}

// submit has one record tried again. One whose message cannot be decoded stays.
func (r *Retries) submit(ctx context.Context, k tried) error {
	if k.err == nil {
		return r.Submit(ctx, k.Retry)
	}
	defer k.Done()
	return r.loop.Do(ctx, k.Kept.ID(), func(ctx context.Context) error { return r.Quarantine.Again(ctx, k.Kept, k.err, false) })
}

// tried is a record that is tried again, and why its message cannot be decoded.
type tried struct {
	Retry

	err error
}

// read reads records and their messages. What is not in quarantine any more, or damaged,
// is left out.
func (r *Retries) read(ctx context.Context, keys []backend.Key) (all []tried, err error) {
	var records []*Stored
	firsts := map[backend.Key]backend.Item{}
	messages := map[backend.Key]backend.Item{}
	err = r.loop.Do(ctx, "records", func(ctx context.Context) (err error) {
		if firsts, err = r.Quarantine.table.GetAll(ctx, keys); err != nil {
			return err
		}
		if records, err = r.decode(keys, firsts); err != nil {
			return err
		}
		messages, err = r.log.GetAll(ctx, messageKeys(records))
		return err
	})
	for _, s := range records {
		m, why := messageOf(s.Key, messages[s.Key])
		kept := &Kept{Message: m, Silent: s.Silent, keys: s.keys(), first: firsts[s.first]}
		all = append(all, tried{Retry{Kept: kept}, why})
	}
	return all, err
}

func (r *Retries) decode(keys []backend.Key, firsts map[backend.Key]backend.Item) (records []*Stored, err error) {
	for _, key := range keys {
		if firsts[key] == nil {
			continue
		}
		s, damage, err := decodeStored(firsts[key])
		if err != nil {
			return nil, err
		}
		if damage == nil && s != nil {
			records = append(records, s)
		}
	}
	return records, nil
}

// messageKeys returns the distinct keys of records that can be keys of messages.
func messageKeys(records []*Stored) (keys []backend.Key) {
	seen := map[backend.Key]bool{}
	for _, s := range records {
		if !seen[s.Key] && checkKey(s.Key) == nil {
			keys = append(keys, s.Key)
		}
		seen[s.Key] = true
	}
	return keys
}

func checkKey(key backend.Key) error {
	if err := postroom.CheckUUID(key.PK); err != nil {
		return err
	}
	_, _, err := postroom.ParseMessageKey(key.SK)
	return err
}

// messageOf decodes the message of a record, as the log has it.
func messageOf(key backend.Key, it backend.Item) (postroom.Message, error) {
	if err := checkKey(key); err != nil {
		return postroom.Message{}, err
	}
	if it == nil {
		return postroom.Message{}, errGone
	}
	return postroom.MessageFromItem(it)
}

// IdleSince says since when there is nothing for this worker to try again; false while
// there is, or may be. A worker that does not lead has nothing to do.
func (r *Retries) IdleSince(leads bool) (time.Time, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !leads && !r.leads {
		return time.Time{}, true
	}
	return r.since, !r.since.IsZero()
}

func (r *Retries) setLeft(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left = n
}

// done counts records of a batch that are done, and those of them that were tried.
func (r *Retries) done(n, tried int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left -= n
	r.total += int64(tried)
}

// Progress returns how many records of the batch that is worked off are not done, and how
// many were tried since r was made.
func (r *Retries) Progress() (left int, tried int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.left, r.total
}

func (r *Retries) setLeads(leads bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leads, r.since, r.last, r.tried = leads, time.Time{}, time.Time{}, 0
}

// note notes the batch that is next, or that there is none, and logs where that begins
// or ends.
func (r *Retries) note(b *Batch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if b != nil {
		if r.tried == 0 {
			r.Logger.Info("quarantined records are retried", "a_second", b.rate)
		}
		r.tried += len(b.records)
		r.since, r.last = time.Time{}, time.Now()
		return
	}
	if r.since.IsZero() {
		r.since = time.Now()
	}
	if r.tried > 0 && time.Since(r.last) > settleTime {
		r.Logger.Info("quarantined records were retried", "records", r.tried)
		r.tried = 0
	}
}
