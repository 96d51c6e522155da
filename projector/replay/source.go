package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/stream"
)

// Source is what a replay reads.
type Source string

// The sources.
const (
	// Log is the table: for chosen conversations a query each, otherwise a scan.
	Log Source = "log"
	// Stream is the table's stream, which costs the table nothing.
	Stream Source = "stream"
)

const (
	// streamHolds is the age of what the stream still holds when a replay of it is over.
	// It keeps everything for 23 hours, and an hour is for pauses.
	streamHolds = backend.StreamRetention - 2*time.Hour
	// lateness is how much later than a message says the stream may say that its record
	// was made: the clock of its producer may be ahead, and the stream's times are not
	// exact.
	lateness = postroom.MaxClockSkew + time.Minute
	// silence is how old the last heartbeat of a group is that has no place any more, most
	// likely: if it has one, the replay finds that out.
	silence = time.Minute
	// maxEmpty is after how many empty pages in a row a shard most likely holds no more.
	maxEmpty = 10
)

// group is the worker group that reads the stream for a replay.
func (d Definition) group() string { return groupPrefix + d.Name }

const groupPrefix = "replay-"

// Choose says what a replay is to read: the stream, if all messages are wanted, if the
// stream holds those of that time for certain, also at the end of the replay, and if no
// other group has the place of a reader. Otherwise the log. Left is how long the replay
// takes.
func Choose(ctx context.Context, s backend.Stream, control backend.Table, d Definition, left time.Duration, now time.Time) (Source, error) {
	if len(d.Groups)+len(d.Users) > 0 || now.Sub(d.Begin)+left > streamHolds {
		return Log, nil
	}
	groups, err := stream.ReadGroups(ctx, s, control)
	if backend.KindOf(err) == backend.KindNotFound {
		return Log, nil
	}
	if err != nil {
		return "", err
	}
	source := Log
	for _, g := range groups {
		switch {
		case g.Group == stream.DefaultGroup && !g.BegunAt.IsZero() && g.BegunAt.Before(d.Begin.Add(-lateness)):
			source = Stream // it was there at that time
		case g.Group != stream.DefaultGroup && g.Group != d.group() && g.Workers > 0:
			status, err := stream.ReadStatus(ctx, s, control, g.Group)
			if err != nil {
				return "", err
			}
			if slices.ContainsFunc(status.Workers, func(w stream.WorkerStatus) bool { return now.Sub(w.RenewedAt) < silence }) {
				return Log, nil
			}
		}
	}
	return source, nil
}

// CountStream counts the messages that a replay finds in the stream, by reading it. On a
// server that does not say where a shard ends for now, it may miss some. Progress is called
// with the number so far.
func CountStream(ctx context.Context, s backend.Stream, d Definition, progress func(int64)) (n int64, err error) {
	for after := ""; ; {
		var page backend.ShardPage
		err := policy().Do(ctx, func(ctx context.Context) (err error) {
			page, err = s.Shards(ctx, after)
			return err
		})
		if err != nil {
			return n, err
		}
		for _, shard := range page.Shards {
			err := readShard(ctx, s, page.StreamARN, shard.ID, backend.Position{Type: backend.TrimHorizon}, func(r *backend.Record) bool {
				if d.wants(r) {
					n++
				}
				return true
			})
			if err != nil {
				return n, err
			}
			progress(n)
		}
		if after = page.Last; after == "" {
			return n, nil
		}
	}
}

// readShard calls each with every record that a shard holds now, from a position on, until
// it returns false. Of a shard that is gone there is none.
func readShard(ctx context.Context, s backend.Stream, arn, shard string, at backend.Position, each func(*backend.Record) bool) error {
	iterator, reading := "", policy()
	reading.Patience, reading.Final = 0, final
	for empty := 0; empty < maxEmpty; {
		var page backend.RecordPage
		err := reading.Do(ctx, func(ctx context.Context) (err error) {
			if iterator == "" {
				if iterator, err = s.Iterator(ctx, arn, shard, at); err != nil {
					return err
				}
			}
			page, err = s.Records(ctx, iterator, backend.MaxRecords)
			return err
		})
		switch backend.KindOf(err) {
		case backend.KindNotFound, backend.KindTrimmed, backend.KindExpired:
			return nil
		}
		if err != nil {
			return err
		}
		for i := range page.Records {
			if !each(&page.Records[i]) {
				return nil
			}
		}
		if empty++; len(page.Records) > 0 {
			empty = 0
		}
		if page.Next == "" || page.Tip {
			return nil
		}
		iterator = page.Next
	}
	return nil
}

// final errors are answers: the shard is gone, or not there.
func final(err error) bool {
	switch backend.KindOf(err) {
	case backend.KindNotFound, backend.KindTrimmed, backend.KindExpired, backend.KindInvalid:
		return true
	}
	return false
}

// wants reports whether a record of the stream is of a message that is replayed.
func (d Definition) wants(r *backend.Record) bool {
	at, known := timeOf(r.Key)
	return known && r.Event == backend.Insert && d.covers(at) && !postroom.IsCanary(r.Key.PK)
}

// ReadRecord reads a record of the stream. If the stream does not hold it, or no more, the
// error is [stream.ErrStart].
func ReadRecord(ctx context.Context, s backend.Stream, shard, sequence string) (*backend.Record, error) {
	page, err := s.Shards(ctx, "")
	if err != nil {
		return nil, err
	}
	var found *backend.Record
	at := backend.Position{Type: backend.AtSequence, Sequence: sequence}
	err = readShard(ctx, s, page.StreamARN, shard, at, func(r *backend.Record) bool {
		if backend.CompareSequence(r.Sequence, sequence) == 0 {
			found = r
		}
		return false
	})
	switch {
	case backend.KindOf(err) == backend.KindInvalid:
		return nil, fmt.Errorf("%w: shard %s, sequence number %s: %w: give a time", stream.ErrStart, shard, sequence, err)
	case err == nil && found == nil:
		return nil, fmt.Errorf("%w: the shard %s holds no record %s, or no more: give a time", stream.ErrStart, shard, sequence)
	}
	return found, err
}

// Forget removes what replays that are done, or gone, have left of themselves among the
// groups of the stream, since the last command that carried one out was killed.
func Forget(ctx context.Context, s backend.Stream, control backend.Table) error {
	groups, err := stream.ReadGroups(ctx, s, control)
	if err != nil {
		return err
	}
	for _, g := range groups {
		name, ours := strings.CutPrefix(g.Group, groupPrefix)
		if !ours {
			continue
		}
		r, err := Load(ctx, control, name)
		if isGone(err) || err == nil && r.State == Done {
			err = stream.RemoveGroup(ctx, s, control, g.Group)
		}
		if _, alive := errors.AsType[*stream.GroupAliveError](err); err != nil && !alive {
			return err
		}
	}
	return nil
}
