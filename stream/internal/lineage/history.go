package lineage

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/conditional"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/stream/internal/lease"
)

// format is the newest format of a stream's item that this program knows.
const format = 1

const (
	streamsPK = "streams" // of one item for each stream that was ever read

	attrFirstReadAt = "first_read_at"
	attrListedAt    = "listed_at"
	attrMaybeFirst  = "maybe_first"
	attrUntil       = "until"   // there only if there is one
	attrDoneAt      = "done_at" // there only if there is one
)

// groupPrefix begins the sort keys of all groups but the default one, whose keys are
// the streams' ARNs.
const groupPrefix = "GROUP#"

// HistoryKey is where the item is that a group keeps of a stream.
func HistoryKey(id lease.GroupID) backend.Key {
	return backend.Key{PK: streamsPK, SK: historyPrefix(id.Name) + id.ARN}
}

func historyPrefix(group string) string {
	if group == lease.DefaultGroup {
		return ""
	}
	return groupPrefix + group + "#"
}

// parseHistoryKey returns the group and the stream of a history.
func parseHistoryKey(key backend.Key) lease.GroupID {
	rest, named := strings.CutPrefix(key.SK, groupPrefix)
	if !named {
		return lease.GroupID{ARN: key.SK, Name: lease.DefaultGroup}
	}
	name, arn, _ := strings.Cut(rest, "#")
	return lease.GroupID{ARN: arn, Name: name}
}

// History is the item that a group keeps of a stream: what it knows of it as a whole.
type History struct {
	// Start is where the group began to read, see [Start.resolve]. It is there before
	// any lease, and never changes.
	Start Start
	// Until is the time up to which the group reads, and DoneAt when it had; zero:
	// there is none, or it has not.
	Until, DoneAt time.Time

	FirstReadAt time.Time
	ListedAt    time.Time // of a complete listing; zero: none yet
	// MaybeFirst says that the stream was taken for the first one of its table to
	// be read, and that nobody has looked since whether another was begun at once.
	MaybeFirst bool
}

// Encode returns the history as an item.
func (h History) Encode(id lease.GroupID) backend.Item {
	it := item.New(HistoryKey(id), format)
	it[attrFirstReadAt], it[attrListedAt] = item.Time(h.FirstReadAt), item.Time(h.ListedAt)
	it[attrMaybeFirst] = item.Bool(h.MaybeFirst)
	h.Start.encode(it)
	for name, t := range map[string]time.Time{attrUntil: h.Until, attrDoneAt: h.DoneAt} {
		if !t.IsZero() {
			it[name] = item.Time(t)
		}
	}
	return it
}

// DecodeHistory reads the history of a stream from its item.
func DecodeHistory(it backend.Item) (History, error) {
	d := item.Decode(it, format)
	h := History{FirstReadAt: d.Time(attrFirstReadAt), ListedAt: d.Time(attrListedAt), MaybeFirst: d.Bool(attrMaybeFirst)}
	h.Start = decodeStart(d, it)
	h.Until, h.DoneAt = d.OptionalTime(attrUntil), d.OptionalTime(attrDoneAt)
	d.Check(attrFirstReadAt, !h.FirstReadAt.IsZero(), "it is empty")
	return h, d.Err()
}

// listingSlack is how old the parts of a listing may be, which is read page by page.
const listingSlack = 5 * time.Minute

// since is a time before which nothing was made that was promised and is in a
// shard that is listed for the first time now. At the first start what the stream
// holds is promised, except what may be trimmed at any moment. Before the group's
// start nothing ever was.
func (h History) since() time.Time {
	if h.ListedAt.IsZero() {
		return Latest(Untrimmed(h.FirstReadAt), h.Start.At)
	}
	return Latest(h.ListedAt.Add(-listingSlack), h.Start.At)
}

// history reads the history of the stream. If the stream is read for the first
// time it reports what the stream cannot hold.
func (s *Sync) history(ctx context.Context) (h History, err error) {
	it, err := s.Leases.Table.Get(ctx, HistoryKey(s.Leases.ID))
	if err != nil {
		return h, err
	}
	if it != nil {
		h, err = DecodeHistory(it)
		if damage := item.AsDamaged(err); damage != nil {
			h, err = s.replace(ctx, h, it, damage)
		}
		if err != nil {
			return h, err
		}
	} else {
		if h, err = s.begin(ctx); err != nil {
			return h, err
		}
	}
	if !h.MaybeFirst {
		return h, nil
	}
	if err := s.reportRivals(ctx, h); err != nil {
		return h, err
	}
	before := h
	h.MaybeFirst = false
	return h, s.write(ctx, before.unchanged(s.Leases.ID), h)
}

// begin writes the history of a stream that the group reads for the first time.
func (s *Sync) begin(ctx context.Context) (h History, err error) {
	others, err := s.otherStreams(ctx)
	if err != nil {
		return h, err
	}
	h = History{FirstReadAt: s.Now(), MaybeFirst: len(others) == 0}
	if h.Start, h.Until, err = s.start(ctx, others); err != nil {
		return h, err
	}
	if err := s.reportBeginning(ctx, s.ARN, others, h); err != nil {
		return h, err
	}
	return h, s.write(ctx, backend.Condition{Absent: true}, h)
}

// replace makes a damaged history anew: the leases know well enough when the stream
// was listed last, since a shard is listed before it is read. If one of them is damaged
// they do not tell, and what the stream can still hold bounds it. Without any lease the
// stream may as well be read for the first time now.
func (s *Sync) replace(ctx context.Context, h History, damaged backend.Item, damage *item.DamageError) (History, error) {
	leases, err := s.Leases.Load(ctx)
	if err != nil {
		return h, err
	}
	h.ListedAt = readUpTo(leases)
	if len(leases) > 0 && h.ListedAt.IsZero() {
		h.ListedAt = Latest(h.FirstReadAt, s.Now().Add(-backend.StreamRetention))
	}
	if h.FirstReadAt.IsZero() {
		h.FirstReadAt = s.Now()
	}
	if h.Start, h.Until = startOf(leases); len(leases) == 0 {
		if h.Start, h.Until, err = s.start(ctx, nil); err != nil {
			return h, err
		}
	}
	if err := s.write(ctx, item.Same(damaged), h); err != nil {
		return h, err
	}
	s.Aside.Replaced(damage)
	return h, nil
}

// errOvertaken says that somebody else has written the history since it was read: another
// leader, or whoever damages it.
var errOvertaken = errors.New("somebody else has written the group's history")

// unchanged holds while nobody has written the history since it was h: each write changes
// one of its attributes.
func (h History) unchanged(id lease.GroupID) backend.Condition { return item.Same(h.Encode(id)) }

// write replaces the history, or returns [errOvertaken]. A leader that was frozen must
// not undo what the next one has written: the start would change, or the end be reached
// and not be known.
func (s *Sync) write(ctx context.Context, before backend.Condition, h History) error {
	found, err := conditional.Put(ctx, s.Leases.Table, h.Encode(s.Leases.ID), before, DecodeHistory)
	switch {
	case found == nil || err == nil && conditional.Same(found.unchanged(s.Leases.ID), h.unchanged(s.Leases.ID)):
		return err
	case err == nil && found.FirstReadAt.IsZero() && !before.Absent: // it was deleted, and what it said is known
		return s.write(ctx, backend.Condition{Absent: true}, h)
	}
	return errOvertaken
}

// otherStreams returns the streams of the table that the group has ever read, except
// this one. The ARNs of a table's streams differ in what follows the last slash.
func (s *Sync) otherStreams(ctx context.Context) (arns []string, err error) {
	prefix := historyPrefix(s.Leases.ID.Name) + tableOf(s.ARN)
	for it, err := range s.Leases.Table.Query(ctx, backend.Query{PK: streamsPK, SKPrefix: prefix, Consistent: true}) {
		if err != nil {
			return nil, err
		}
		if arn := parseHistoryKey(backend.KeyOf(it)).ARN; arn != s.ARN {
			arns = append(arns, arn)
		}
	}
	return arns, nil
}

// tableOf is what the ARNs of all streams of a table begin with.
func tableOf(arn string) string { return arn[:strings.LastIndexByte(arn, '/')+1] }

// reportRivals looks for streams that others began to read for the first time
// while this one was begun. Each writes its item first and looks then, so one of
// them sees that neither is the first of the table, and reports what lies between.
func (s *Sync) reportRivals(ctx context.Context, h History) error {
	others, err := s.otherStreams(ctx)
	if err != nil || len(others) == 0 {
		return err
	}
	others = append(others, s.ARN)
	slices.Sort(others) // labels are times
	newest := len(others) - 1
	return s.reportBeginning(ctx, others[newest], others[:newest], h)
}

// reportBeginning reports what a stream that is read for the first time cannot
// hold, given the older streams of the table. Of what was before the group's start
// it reports nothing.
func (s *Sync) reportBeginning(ctx context.Context, arn string, older []string, h History) error {
	loss := &LossError{StreamARN: arn, AfterTime: h.Start.At, Until: UpTo(s.Now(), h.Until)}
	if len(older) == 0 && !h.Start.At.IsZero() {
		return s.reportExpiredStart(ctx, loss)
	}
	if len(older) == 0 {
		loss.FirstStart, loss.Reason = true, "it is read for the first time, and the table may be older"
		_, err := s.Record(ctx, loss)
		return err
	}
	loss.Replaced = slices.Max(older)
	loss.Reason = "the table has a new stream: what was left in the old one, " + loss.Replaced +
		", and what was written while there was none, is in neither"
	leases := lease.Store{Table: s.Leases.Table, ID: s.Leases.ID.Of(loss.Replaced)}
	all, err := leases.Load(ctx)
	if err != nil {
		return err
	}
	loss.AfterTime = Latest(loss.AfterTime, readUpTo(all))
	recorded, err := s.Record(ctx, loss)
	if err == nil && !recorded {
		err = loss
	}
	return err
}

// readUpTo is a time up to which everything in a stream was read; zero: its leases do
// not tell.
func readUpTo(all map[string]lease.Lease) time.Time {
	var open, ended []time.Time
	for _, l := range all {
		if l.Finished {
			ended = append(ended, l.Checkpoint.At)
		} else {
			open = append(open, l.Checkpoint.At)
		}
	}
	switch {
	case len(open) > 0:
		return slices.MinFunc(open, time.Time.Compare)
	case len(ended) > 0:
		return Latest(ended...)
	}
	return time.Time{}
}
