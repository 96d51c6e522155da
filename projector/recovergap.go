package projector

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/trouble"
	"github.com/postroom/postroom/stream"
)

// What is lost and how far it is recovered stands in the control table, in one
// partition: an item for each gap, and one for the scan that runs.
const (
	recoveryPK = "recovery"
	gapPrefix  = "GAP#"
	scanPrefix = "SCAN#"

	attrStream     = "stream"
	attrAfter      = "after"
	attrFrom       = "from"
	attrUntil      = "until"
	attrQuiet      = "quiet"
	attrFoundAt    = "found_at"
	attrTold       = "told"
	attrState      = "state"
	attrFinishedAt = "finished_at"
	attrRead       = "read"
	attrProjected  = "projected"
	attrNotified   = "notified"
	attrUnnotified = "unnotified"

	stateOpen = "open"
	stateDone = "done"
)

// gapSlack widens a gap: the stream's times are about, and a message's time is
// its producer's, which may be a minute ahead ([postroom.MaxClockSkew]).
const gapSlack = 2 * time.Minute

// Gap is a range of the log that the stream no longer held when it was to be
// read.
type Gap struct {
	ID        string
	StreamARN string
	Shard     string // empty: the whole stream
	Reason    string // what happened
	After     string // the last sequence number that was read; empty: none
	// From and Until bound what is lost, about. From is zero where it is not
	// known.
	From, Until time.Time
	// Quiet says that nobody is to be notified: the first start on a table.
	Quiet      bool
	FoundAt    time.Time
	FinishedAt time.Time      // zero: still open
	Counts     RecoveryCounts // of the scan that closed it, with all that it closed

	told int64 // how often it was recorded, with a later bound each time
}

// RecoveryCounts is what a recovery came by in the log, in messages.
type RecoveryCounts struct {
	Read       int64 // and done with
	Projected  int64 // had not been
	Notified   int64 // or were again: posted in a lost range
	Unnotified int64 // had not been projected, and were posted in no lost range
}

func (c RecoveryCounts) add(d RecoveryCounts) RecoveryCounts {
	return RecoveryCounts{
		Read: c.Read + d.Read, Projected: c.Projected + d.Projected,
		Notified: c.Notified + d.Notified, Unnotified: c.Unnotified + d.Unnotified,
	}
}

// gapOf is the gap that a loss leaves. Its id follows from where reading
// stopped, so that a loss that is told twice is one gap.
func gapOf(loss *stream.DataLossError, now time.Time) Gap {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s|%s|%s|%t", loss.StreamARN, loss.Shard, loss.After, loss.FirstStart))
	reason := loss.Reason
	if loss.Err != nil {
		reason += ": " + trouble.Brief(loss.Err)
	}
	return Gap{
		ID:        hex.EncodeToString(sum[:8]),
		StreamARN: loss.StreamARN, Shard: loss.Shard, Reason: reason, After: loss.After,
		From: loss.AfterTime, Until: orDefault(loss.Until, now).Truncate(time.Microsecond), Quiet: loss.FirstStart,
		FoundAt: now, told: 1,
	}
}

// covers reports whether a message of that time may be among what was lost and
// promised.
func (g Gap) covers(at time.Time) bool {
	return !g.Quiet && !at.After(g.Until.Add(gapSlack)) && (g.From.IsZero() || !at.Before(g.From.Add(-gapSlack)))
}

func (g Gap) key() backend.Key { return backend.Key{PK: recoveryPK, SK: gapPrefix + g.ID} }

// unchanged holds while the gap is open, and was not recorded again.
func (g Gap) unchanged() backend.Condition {
	return backend.Condition{Equals: backend.Item{attrTold: number(g.told), attrState: text(g.state())}}
}

func (g Gap) state() string {
	if g.FinishedAt.IsZero() {
		return stateOpen
	}
	return stateDone
}

func (g Gap) encode() backend.Item {
	item := backend.Item{
		backend.AttrPK: text(recoveryPK), backend.AttrSK: text(gapPrefix + g.ID),
		attrStream: text(g.StreamARN), attrShard: text(g.Shard), attrReason: text(g.Reason), attrAfter: text(g.After),
		attrFrom: stamp(g.From), attrUntil: stamp(g.Until), attrQuiet: flag(g.Quiet),
		attrFoundAt: stamp(g.FoundAt), attrTold: number(g.told),
		attrState: text(g.state()), attrFinishedAt: stamp(g.FinishedAt),
	}
	g.Counts.encode(item)
	return item
}

func decodeGap(item backend.Item) (Gap, error) {
	f := fields{item: item}
	g := Gap{
		ID:        strings.TrimPrefix(f.text(backend.AttrSK), gapPrefix),
		StreamARN: f.text(attrStream), Shard: f.text(attrShard), Reason: f.text(attrReason), After: f.text(attrAfter),
		From: f.time(attrFrom), Until: f.time(attrUntil), Quiet: isTrue(item, attrQuiet),
		FoundAt: f.time(attrFoundAt), FinishedAt: f.time(attrFinishedAt),
		Counts: decodeCounts(&f), told: f.number(attrTold),
	}
	return g, f.err
}

func (c RecoveryCounts) encode(item backend.Item) {
	item[attrRead], item[attrProjected] = number(c.Read), number(c.Projected)
	item[attrNotified], item[attrUnnotified] = number(c.Notified), number(c.Unnotified)
}

func decodeCounts(f *fields) RecoveryCounts {
	return RecoveryCounts{
		Read: f.number(attrRead), Projected: f.number(attrProjected),
		Notified: f.number(attrNotified), Unnotified: f.number(attrUnnotified),
	}
}

// gapTable is the part of the control table that recovery uses.
type gapTable struct{ retrying }

// record writes the gap that a loss leaves and reports whether it is news. One
// that is there already grows if it is told with a later bound, as after a
// crash, and is open again: a scan that runs does not close it.
func (t gapTable) record(ctx context.Context, loss *stream.DataLossError, now time.Time) (added bool, err error) {
	g := gapOf(loss, now)
	for {
		item, err := t.get(ctx, g.key())
		if err != nil {
			return false, err
		}
		condition := backend.Condition{Absent: true}
		if item != nil {
			before, err := decodeGap(item)
			if err != nil {
				return false, err
			}
			if !g.Until.After(before.Until) {
				return false, nil
			}
			condition = before.unchanged()
			g.told = before.told + 1
			if before.state() == stateOpen && before.From.Before(g.From) {
				g.From = before.From
			}
		}
		err = t.put(ctx, g.encode(), condition)
		if backend.KindOf(err) != backend.KindConditionFailed {
			return err == nil, err
		}
	}
}

func (t gapTable) put(ctx context.Context, item backend.Item, c backend.Condition) error {
	return retry(ctx, func() error {
		_, err := t.table.Put(ctx, item, c)
		return err
	})
}
