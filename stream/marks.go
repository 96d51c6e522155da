package stream

import (
	"context"
	"slices"
	"time"

	"github.com/postroom/postroom/backend"
)

// marks is what the control table keeps of a stream as a whole.
type marks struct {
	firstReadAt time.Time
	listedAt    time.Time // of a complete listing; zero: none yet
	// alone says that it was taken for the first stream of the table to be read,
	// and that nobody has looked for others since.
	alone bool
}

// markEvery is how often the time of a listing is written.
const markEvery = time.Minute

// listingSlack is how old a listing may be: it is no snapshot.
const listingSlack = 5 * time.Minute

// since is a time before which nothing was made that was promised and is in a
// shard that is listed for the first time now. At the first start what the stream
// holds is promised, but for what may be trimmed at any moment.
func (m marks) since(o Options) time.Time {
	if m.listedAt.IsZero() {
		return m.firstReadAt.Add(o.trimMargin() - o.Retention)
	}
	return m.listedAt.Add(-listingSlack)
}

func (m marks) write(ctx context.Context, control backend.Table, arn string) error {
	return bounded(ctx, func(ctx context.Context) error {
		_, err := control.Put(ctx, backend.Item{
			backend.AttrPK: text(streamsPK), backend.AttrSK: text(arn),
			attrFirstReadAt: stamp(m.firstReadAt), attrListedAt: stamp(m.listedAt), attrAlone: boolean(m.alone),
		}, backend.Condition{})
		return err
	})
}

// recall reads the marks of the stream. Of a stream that is read for the first
// time it tells what can only be in the table: all that is older than the stream.
func (r *run) recall(ctx context.Context) (m marks, err error) {
	var item backend.Item
	var others []string
	err = bounded(ctx, func(ctx context.Context) (err error) {
		if item, _, err = r.control.Get(ctx, backend.Key{PK: streamsPK, SK: r.arn}); err != nil || item != nil {
			return err
		}
		others, err = r.otherStreams(ctx)
		return err
	})
	if err != nil {
		return m, err
	}
	if item != nil {
		d := decoder{item: item}
		m = marks{firstReadAt: d.time(attrFirstReadAt), listedAt: d.time(attrListedAt), alone: isTrue(item, attrAlone)}
		if d.err != nil {
			return m, d.err
		}
	} else {
		m.firstReadAt, m.alone = r.opt.Now(), len(others) == 0
		if err := r.beginning(ctx, r.arn, others); err != nil {
			return m, err
		}
		if err := m.write(ctx, r.control, r.arn); err != nil {
			return m, err
		}
	}
	if !m.alone {
		return m, nil
	}
	if err := r.rivals(ctx); err != nil {
		return m, err
	}
	m.alone = false
	return m, m.write(ctx, r.control, r.arn)
}

// otherStreams are those of the table that were ever read, but for this one.
func (r *run) otherStreams(ctx context.Context) (arns []string, err error) {
	page, err := r.control.Query(ctx, backend.Query{PK: streamsPK, SKPrefix: sameTable(r.arn), Consistent: true})
	for _, item := range page.Items {
		if arn := backend.KeyOf(item).SK; arn != r.arn {
			arns = append(arns, arn)
		}
	}
	return arns, err
}

// rivals looks for streams that others began to read for the first time while
// this one was begun. Each writes first and looks then, so that one of them sees
// that neither is the first of the table, and what lies between them is lost.
func (r *run) rivals(ctx context.Context) error {
	var others []string
	err := bounded(ctx, func(ctx context.Context) (err error) {
		others, err = r.otherStreams(ctx)
		return err
	})
	if err != nil || len(others) == 0 {
		return err
	}
	newest := slices.Max(append(others, r.arn))
	others = slices.DeleteFunc(append(others, r.arn), func(arn string) bool { return arn == newest })
	return r.beginning(ctx, newest, others)
}

// beginning says what a stream that is new to us cannot hold.
func (r *run) beginning(ctx context.Context, arn string, older []string) error {
	loss := &DataLossError{StreamARN: arn, Until: r.opt.Now()}
	if len(older) == 0 {
		loss.FirstStart, loss.Reason = true, "it is read for the first time, and the table may be older"
		if r.opt.OnDataLoss == nil {
			return nil
		}
		return r.opt.OnDataLoss(ctx, loss)
	}
	before := slices.Max(older) // labels are times
	loss.Replaced = before
	loss.Reason = "the table has a new stream: what was left in the old one, " + before +
		", and what was written while there was none, is in neither"
	var err error
	if loss.AfterTime, err = r.readUpTo(ctx, before); err != nil {
		return err
	}
	r.incident(loss)
	if r.opt.OnDataLoss == nil {
		return loss
	}
	return r.opt.OnDataLoss(ctx, loss)
}

// readUpTo is a time up to which everything in a stream was read.
func (r *run) readUpTo(ctx context.Context, arn string) (t time.Time, err error) {
	var open, ended []time.Time
	err = eachLease(ctx, r.control, arn, bounded, func(l lease) {
		if l.finished {
			ended = append(ended, l.done.at)
		} else {
			open = append(open, l.done.at)
		}
	})
	switch {
	case err != nil:
		return t, err
	case len(open) > 0:
		return slices.MinFunc(open, time.Time.Compare), nil
	case len(ended) > 0:
		return slices.MaxFunc(ended, time.Time.Compare), nil
	}
	return t, nil
}
