package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/incident"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/internal/option"
	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/stream/internal/lease"
	"github.com/postroom/postroom/stream/internal/lineage"
	"github.com/postroom/postroom/stream/internal/membership"
	"github.com/postroom/postroom/stream/internal/shard"
)

// Reader is one worker on one stream.
type Reader struct {
	stream  backend.Stream
	control backend.Table
	handler Handler
	opt     Options
	tuning  tuning
	count   counters
	aside   *item.Aside
	current atomic.Pointer[session]
}

// NewReader makes a reader of s that keeps the leases and checkpoints of its
// worker group, [Options].Group, in the control table and gives its records to h. It makes no call.
func NewReader(s backend.Stream, control backend.Table, h Handler, o Options) *Reader {
	option.Default(&o.Logger, slog.New(slog.DiscardHandler))
	return &Reader{
		stream: s, control: control, handler: h, opt: o, tuning: defaultTuning(), aside: item.NewAside(o.Logger),
	}
}

// Run joins the worker group of the stream and reads its share of the shards
// until ctx is done. Then it stops in stages: it reads no more, waits up to a
// second for acknowledgements, writes the checkpoints, leaves the group, and
// returns nil.
//
// It also returns nil once the group has read everything up to [Options].Until, and all
// of it is acknowledged: at once if that was so before.
//
// A worker whose session was expired, since it was frozen or cut off for longer
// than the lease duration, notices when it wakes up, and joins again.
//
// Otherwise Run returns a [DataLossError] if nobody takes care of a loss, the
// handler's error, a [GroupsError] if another group has the place, a
// [DestinationError], [ErrStart] if the group cannot begin where it is to, or an error
// that no retry fixes: at once if a first call
// fails so, after two minutes later on. It stops in the same stages then. It may
// be called again after it has returned.
func (r *Reader) Run(ctx context.Context) error {
	opt, err := r.opt.withDefaults()
	if err != nil {
		return err
	}
	inFlight := shard.NewInFlight(r.tuning.maxInFlight, r.tuning.maxInFlightBytes)
	incidents := incident.NewLog(opt.Logger)
	defer incidents.Close()
	for {
		err := r.runSession(ctx, newSession(r, opt, inFlight, incidents))
		switch {
		case errors.Is(err, membership.ErrExpired):
			r.count.expired.Add(1)
			opt.Logger.Warn("this worker's session was expired: others have its shards, and it rejoins unless it stops", "worker", opt.Worker)
		case errors.Is(err, lineage.ErrDone):
			return nil
		case errors.Is(err, membership.ErrNoPlace):
			opt.Logger.Warn("another group reads the stream in this one's place: it stops unless that is not alive", "group", opt.Group)
		case !errors.Is(err, lineage.ErrReplaced):
			return dataLoss(err, opt.Group)
		}
		incidents.Abandon()
		if retry.Sleep(ctx, retry.Jitter(opt.LeaseDuration/10), nil) != nil {
			return nil
		}
	}
}

func (r *Reader) runSession(ctx context.Context, s *session) error {
	if err := s.join(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	r.current.Store(s)
	defer r.current.Store(nil)
	return s.work(ctx)
}

// dataLoss makes of a loss that nobody has recorded an error that says what to do.
func dataLoss(err error, group string) error {
	loss, ok := errors.AsType[*lineage.LossError](err)
	if !ok {
		return err
	}
	id := lease.GroupID{ARN: loss.StreamARN, Name: group}
	key := lease.Key(id, loss.Shard)
	switch {
	case loss.Replaced != "":
		key = lineage.HistoryKey(id.Of(loss.Replaced))
	case loss.Shard == "":
		return fmt.Errorf("%w; let the group begin later, or recover them from the table", (*DataLossError)(loss))
	}
	return fmt.Errorf("%w; recover them from the table, then delete the item %q, %q of the control table to read on without them",
		(*DataLossError)(loss), key.PK, key.SK)
}

// IdleSince says since when every known shard is read to its open tip or its
// end and nothing waits for an acknowledgement, as far as this worker sees it:
// of the shards that others hold it knows only that they do. Shards that a damaged
// lease blocks are left out, see [Reader.Damaged]. ok is false while that is not so,
// and while the reader does not run. It may be called concurrently with Run.
func (r *Reader) IdleSince() (t time.Time, ok bool) {
	if s := r.current.Load(); s != nil {
		return s.idleSince()
	}
	return time.Time{}, false
}
