package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/projector/replay"
	"github.com/postroom/postroom/stream"
)

// replayFlags are the flags of replay.
type replayFlags struct {
	name, from, to string
	groups, users  []string
	notify, dryRun bool
	rate           int
}

// defaultReplayRate is how many messages a second a replay processes, at most.
const defaultReplayRate = 500

func newReplay(p process, g *global) *cobra.Command {
	var f replayFlags
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Process messages again, and notify their recipients again where that is wanted",
		Long: `Processes the messages again whose own times are not before --from and before --to, as
the log has them now: they are projected where they are not, and with --notify their
recipients are notified again. Without it nobody is. What is posted after the command
began is not replayed.

Times are given in RFC 3339, or as ages such as 2h30m. --from may also be trim-horizon,
which is 24 hours ago, or SHARD:SEQUENCE, a record of the stream, which stands for its
message's own time. A message that was posted late, or imported, with an older time is
replayed if that time is in the range.

It reads the stream, which costs the table nothing, if all messages of a range are
wanted that the stream holds for certain, and otherwise the log: by a query for each
chosen conversation, or by a scan. If the stream loses a part meanwhile, the replay goes
through the log from its beginning.

With --group only messages of these conversations are replayed, and with --user only of
conversations that are in these users' lists. With both, a conversation must be among
those of --group and among those of a --user.

With --notify each notification has the id that it had, and the name of the replay in
its attribute "replay". Queue and deduplication let it through once for each replay. With
--user only these users are notified.

It says how many messages there are, which takes reading them, at what rate they are
replayed and how long that takes at least, before it begins; with --dry-run that is all.
A replay has a name. If the command is interrupted or dies, replay resume NAME goes on
with it, on any machine, or the same command with the same --name. Several may run: they
share the shards of the stream; of the log one works, and another takes over when it dies.
The exit code is 1 if a message cannot be processed, and was quarantined.`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			now := time.Now()
			d, err := f.definition(g.queue, now)
			if err != nil {
				return err
			}
			return withApp(cmd.Context(), p, g, need{read: f.dryRun}, func(ctx context.Context, a *app) error {
				return a.replay(ctx, d, f.dryRun, now)
			})
		},
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	fl.StringVar(&f.from, "from", "", "the time of the first message, or its age")
	fl.StringVar(&f.to, "to", "", "the time, or age, up to which messages are replayed, without that moment itself (default: now)")
	fl.StringArrayVar(&f.groups, "group", nil, "replay messages of this conversation only; may be given several times")
	fl.StringArrayVar(&f.users, "user", nil, "replay messages of this user's conversations only; may be given several times")
	fl.BoolVar(&f.notify, "notify", false, "notify the recipients again")
	fl.BoolVar(&f.dryRun, "dry-run", false, "say how many messages there are, and replay none")
	fl.IntVar(&f.rate, "rate", defaultReplayRate, "how many messages are replayed a second at most")
	fl.StringVar(&f.name, "name", "", "the name of the replay (default: made of the time)")
	cmd.AddCommand(newReplayList(p, g), newReplayStop(p, g), newReplayResume(p, g))
	return cmd
}

// definition checks the flags and returns what they ask for.
func (f *replayFlags) definition(queue string, now time.Time) (replay.Definition, error) {
	d := replay.Definition{
		Name: f.name, From: f.from, To: f.to, Groups: f.groups, Users: f.users, Notify: f.notify, Rate: f.rate, Queue: queue,
	}
	if d.Name == "" {
		d.Name = now.UTC().Format("20060102T150405Z")
	}
	if f.from == "" {
		return d, usagef("--from is missing")
	}
	from, err := stream.ParseStart(f.from, now)
	switch d.Begin = from.At.UTC().Truncate(time.Microsecond); {
	case err != nil:
		return d, usagef("--from: %w", err)
	case from.Latest:
		return d, usagef("--from: nothing that is posted from now on is replayed")
	case from.At.IsZero(): // the trim horizon; or a record, until it is read
		d.Begin = now.Add(-backend.StreamRetention).UTC().Truncate(time.Microsecond)
	}
	if d.End = now.UTC().Truncate(time.Microsecond); f.to != "" {
		if d.End, err = parseMoment(f.to, now); err != nil {
			return d, usagef("--to: %w", err)
		}
	}
	if d.End.After(now) {
		return d, usagef("--to is in the future: only what is posted can be replayed")
	}
	if err := cmp.Or(checkUUIDs("group", &d.Groups), checkUUIDs("user", &d.Users)); err != nil {
		return d, err
	}
	if f.rate < 1 || f.rate > replay.MaxRate {
		return d, usagef("--rate is %d, must be 1 to %d", f.rate, replay.MaxRate)
	}
	if _, err := replay.New(d, replay.Log, 0, now); err != nil {
		return d, &usageError{err}
	}
	return d, nil
}

// parseMoment reads a time or an age, to the microsecond, as messages have it.
func parseMoment(text string, now time.Time) (time.Time, error) {
	s, err := stream.ParseStart(text, now)
	if err != nil || s.At.IsZero() {
		return time.Time{}, fmt.Errorf("%.80q must be a time such as 2026-05-21T10:30:00Z, or an age such as 2h30m", text)
	}
	return s.At.UTC().Truncate(time.Microsecond), nil
}

// replay begins a replay, or goes on with it.
func (a *app) replay(ctx context.Context, d replay.Definition, dryRun bool, now time.Time) error {
	before, err := replay.Load(ctx, a.control(), d.Name)
	_, isNew := errors.AsType[*replay.NotFoundError](err)
	switch {
	case isNew:
	case err != nil:
		return err
	default:
		if difference := before.Difference(d); difference != "" {
			return usagef("%w", &replay.DiffersError{Name: d.Name, Difference: difference})
		}
		if dryRun {
			return a.printReplay(before, now)
		}
		return a.resumeReplay(ctx, d.Name, 0)
	}
	r, err := a.newReplay(ctx, d, now)
	if err != nil {
		return err
	}
	if dryRun {
		return a.print(dryReplayJSON{true, newReplayJSON(r, now)}, "%s\n", a.announcement(r))
	}
	if err := replay.Forget(ctx, a.backend.Stream(a.global.table), a.control()); err != nil {
		a.log.Warn("cannot remove what earlier replays have left among the groups of the stream", "error", err)
	}
	fmt.Fprintf(a.stderr, "replay %s: %s\nIf this is interrupted, `%s replay resume %s` goes on with it.\n", r.Name, a.announcement(r), a.commandLine(), r.Name)
	if r, err = replay.Create(ctx, a.control(), r); err != nil {
		return err
	}
	return a.carryOut(ctx, r)
}

// newReplay chooses what a replay reads, and counts the messages that it concerns there.
func (a *app) newReplay(ctx context.Context, d replay.Definition, now time.Time) (r replay.Replay, err error) {
	source := a.backend.Stream(a.global.table)
	if d.Begin, err = a.begin(ctx, source, d); err != nil {
		return r, err
	}
	from, err := replay.Choose(ctx, source, a.control(), d, 0, now)
	if err != nil {
		return r, err
	}
	bar := newProgress(a.process, "counting", -1)
	count := func() (int64, error) {
		return replay.Count(ctx, a.table(), d, func(n int64) { _ = bar.Set64(n) })
	}
	if from == replay.Stream {
		count = func() (int64, error) {
			return replay.CountStream(ctx, source, d, func(n int64) { _ = bar.Set64(n) })
		}
	}
	n, err := count()
	_ = bar.Finish()
	if err != nil {
		return r, err
	}
	if r, err = replay.New(d, from, n, now); err != nil {
		return r, err
	}
	r.Source, err = replay.Choose(ctx, source, a.control(), d, r.Left(), now) // it may take too long for the stream
	return r, err
}

// begin is where a replay begins: for a record of the stream its message's own time, or its
// own if it is of something else.
func (a *app) begin(ctx context.Context, s backend.Stream, d replay.Definition) (time.Time, error) {
	from, err := stream.ParseStart(d.From, d.End)
	if err != nil || from.Shard == "" {
		return d.Begin, err
	}
	record, err := replay.ReadRecord(ctx, s, from.Shard, from.Sequence)
	if err != nil {
		return d.Begin, err
	}
	if at, _, err := postroom.ParseMessageKey(record.Key.SK); err == nil {
		return at, nil
	}
	return record.CreatedAt, nil
}

// announcement says what a replay is about to do.
func (a *app) announcement(r replay.Replay) string {
	who := "nobody is notified"
	switch {
	case r.Notify && len(r.Users) > 0:
		who = fmt.Sprintf("%s users are notified again", count(len(r.Users)))
	case r.Notify:
		who = "their recipients are notified again"
	}
	return fmt.Sprintf("%s messages from %s until before %s, through the %s, %s a second at most, in about %v; %s",
		count(r.Total), postroom.FormatTime(r.Begin), postroom.FormatTime(r.End), r.Source,
		count(r.Rate), max(time.Second, r.Left()).Round(time.Second), who)
}
