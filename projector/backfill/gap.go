package backfill

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/batch"
	"github.com/postroom/postroom/internal/item"
)

// The items of gaps and scans are in one partition of the control table.
const (
	format = 1 // of gaps and scans

	partition  = "backfill"
	gapPrefix  = "GAP#"
	scanPrefix = "SCAN#"

	attrStream     = "stream"
	attrShard      = "shard"
	attrReason     = "reason"
	attrAfter      = "after"
	attrFrom       = "from"
	attrUntil      = "until"
	attrSilent     = "silent"
	attrFoundAt    = "found_at"
	attrRevision   = "revision"
	attrState      = "state"
	attrFinishedAt = "finished_at"
	attrRead       = "read"
	attrProjected  = "projected"
	attrNotified   = "notified"
	attrUnnotified = "unnotified"

	stateOpen = "open"
	stateDone = "done"
)

// gapSlack widens a gap: the stream's times are approximate, and a message's time
// is its producer's, which may be a minute ahead ([postroom.MaxClockSkew]).
const gapSlack = 2 * time.Minute

// Gap is a range of the log that the stream no longer held when it was to be
// read.
type Gap struct {
	ID        string // follows from the stream, the shard, and where reading stopped
	StreamARN string
	Shard     string // empty: the whole stream
	Reason    string // what happened
	After     string // the last sequence number that was read; empty: none
	// From and Until bound the loss, approximately. From is zero where it is not
	// known; Until is now if it is zero when the gap is recorded.
	From, Until time.Time
	// Silent says that nobody is to be notified: the first start on a table.
	Silent     bool
	FoundAt    time.Time
	FinishedAt time.Time // zero: still open
	Counts     Counts    // of the scan that closed it, with all that it closed

	revision int64 // how often it was recorded, with a later bound each time
}

// Counts is what a scan came across in the log, in messages.
type Counts struct {
	Read       int64 `metric:"postroom_backfill_read_messages_total" help:"Messages of the log that a backfill is done with."`
	Projected  int64 `metric:"postroom_backfill_projected_messages_total" help:"Messages of the log that had not been projected before a backfill."`
	Notified   int64 `metric:"postroom_backfill_notified_messages_total" help:"Messages of a lost range whose recipients a backfill notified."`
	Unnotified int64 `metric:"postroom_backfill_unnotified_messages_total" help:"Messages that had not been projected before a backfill, of no lost range: nobody was notified."`
}

func (c Counts) add(d Counts) Counts {
	return Counts{
		Read: c.Read + d.Read, Projected: c.Projected + d.Projected,
		Notified: c.Notified + d.Notified, Unnotified: c.Unnotified + d.Unnotified,
	}
}

// found completes a gap that was found now. Its id follows from where reading
// stopped, so that a loss that is recorded twice is one gap.
func (g Gap) found(now time.Time) Gap {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s|%s|%s|%t", g.StreamARN, g.Shard, g.After, g.Silent))
	g.ID, g.FoundAt, g.revision = hex.EncodeToString(sum[:8]), now, 1
	if g.Until.IsZero() {
		g.Until = now
	}
	g.Until = g.Until.Truncate(time.Microsecond)
	return g
}

// covers reports whether a message of that time may be among those that were lost
// and whose recipients were promised a notification.
func (g Gap) covers(at time.Time) bool {
	return !g.Silent && !at.After(g.Until.Add(gapSlack)) && (g.From.IsZero() || !at.Before(g.From.Add(-gapSlack)))
}

func (g Gap) key() backend.Key { return backend.Key{PK: partition, SK: gapPrefix + g.ID} }

// unchanged holds while the gap is in the same state and was not recorded again.
func (g Gap) unchanged() backend.Condition {
	return backend.Condition{Equals: backend.Item{attrRevision: item.Int(g.revision), attrState: item.String(g.state())}}
}

func (g Gap) state() string {
	if g.FinishedAt.IsZero() {
		return stateOpen
	}
	return stateDone
}

func (g Gap) encode() backend.Item {
	it := item.New(g.key(), format)
	it[attrStream], it[attrShard] = item.String(g.StreamARN), item.String(g.Shard)
	it[attrReason], it[attrAfter] = item.String(g.Reason), item.String(g.After)
	it[attrFrom], it[attrUntil] = item.Time(g.From), item.Time(g.Until)
	it[attrSilent] = item.Bool(g.Silent)
	it[attrFoundAt], it[attrFinishedAt] = item.Time(g.FoundAt), item.Time(g.FinishedAt)
	it[attrRevision], it[attrState] = item.Int(g.revision), item.String(g.state())
	g.Counts.encode(it)
	return it
}

// decodeGap reads a gap. What can be read of a damaged one comes with the error.
func decodeGap(it backend.Item) (Gap, error) {
	d := item.Decode(it, format)
	g := Gap{
		ID:        strings.TrimPrefix(d.String(backend.AttrSK), gapPrefix),
		StreamARN: d.String(attrStream), Shard: d.String(attrShard), Reason: d.String(attrReason), After: d.String(attrAfter),
		From: d.Time(attrFrom), Until: d.Time(attrUntil), Silent: d.Bool(attrSilent),
		FoundAt: d.Time(attrFoundAt), FinishedAt: d.Time(attrFinishedAt),
		Counts: decodeCounts(d), revision: d.Int(attrRevision, 1),
	}
	d.Check(attrState, d.String(attrState) == g.state(), "it does not agree with "+attrFinishedAt)
	d.Check(attrUntil, !g.Until.IsZero(), "it is empty")
	return g, d.Err()
}

func (c Counts) encode(it backend.Item) {
	it[attrRead], it[attrProjected] = item.Int(c.Read), item.Int(c.Projected)
	it[attrNotified], it[attrUnnotified] = item.Int(c.Notified), item.Int(c.Unnotified)
}

func decodeCounts(d *item.Decoder) Counts {
	return Counts{
		Read: d.Int(attrRead, 0), Projected: d.Int(attrProjected, 0),
		Notified: d.Int(attrNotified, 0), Unnotified: d.Int(attrUnnotified, 0),
	}
}

// store is the part of the control table that backfill owns.
type store struct{ table batch.Table }

// record writes a gap and reports whether it is news. One that is there already
// grows if it is recorded with a later bound, as after a crash, and is open again:
// a scan that runs does not close it. A damaged one is replaced.
func (s store) record(ctx context.Context, g Gap) (added bool, err error) {
	for {
		it, err := s.table.Get(ctx, g.key())
		if err != nil {
			return false, err
		}
		condition := backend.Condition{Absent: true}
		if it != nil {
			before, err := decodeGap(it)
			damaged := item.AsDamaged(err) != nil
			switch {
			case err != nil && !damaged:
				return false, err
			case damaged:
				condition = item.Same(it)
			case !g.Until.After(before.Until):
				return false, nil
			default:
				condition = before.unchanged()
			}
			g.revision = before.revision + 1
			if before.state() == stateOpen && before.From.Before(g.From) {
				g.From = before.From
			}
		}
		err = s.table.Put(ctx, g.encode(), condition)
		if backend.KindOf(err) != backend.KindConditionFailed {
			return err == nil, err
		}
	}
}
