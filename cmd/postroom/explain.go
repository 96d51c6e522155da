package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/batch"
	"github.com/postroom/postroom/projector/projection"
	"github.com/postroom/postroom/projector/quarantine"
	"github.com/postroom/postroom/projector/verify"
)

func newExplain(p process, g *global) *cobra.Command {
	var o explainOptions
	cmd := &cobra.Command{
		Use:   "explain GROUP [MESSAGE]",
		Short: "Say where a conversation or a message is on its way, and what is missing",
		Long: `Looks for everything that there is of a conversation: its head, the rows of its
members, its records in quarantine, and how they differ from what they should be.

With MESSAGE, the uuid of one of its messages, also for that message's way: the record
in the stream and whether a projector has passed it, and for each recipient the id of
the notification and whether a consumer with --dedup table has handled it. It reads the
conversation from the newest message back to that one, and the stream from its oldest
record on, as far as --reads goes.

With --dead-letters it also looks for the notifications among the dead letters. A queue
shows what is in it only to those who receive it: all dead letters are received and
released again, as in "redrive --dry-run", so that they are hidden for a moment and
their receive counts rise. Nothing else is changed. The last lines say what it comes to;
the exit code is 3 if something is missing.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				return arguments("GROUP", "MESSAGE")(cmd, args)
			}
			return arguments("GROUP")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			for i, name := range []string{"GROUP", "MESSAGE"}[:len(args)] {
				if err := postroom.CheckUUID(args[i]); err != nil {
					return usagef("%s: %w", name, err)
				}
			}
			if o.reads < 0 || o.reads > 1_000_000 {
				return usagef("--reads is %d, must be 0 to 1000000", o.reads)
			}
			if o.deadLetters && len(args) < 2 {
				return usagef("--dead-letters needs a MESSAGE, whose notifications are looked for")
			}
			return withApp(cmd.Context(), p, g, need{read: !o.deadLetters}, func(ctx context.Context, a *app) error {
				return a.explainAll(ctx, args, o)
			})
		},
	}
	cmd.Flags().IntVar(&o.reads, "reads", 1000, "how many reads of the stream the search for a message's record may take; 0: none")
	cmd.Flags().BoolVar(&o.deadLetters, "dead-letters", false, "look for the message's notifications among the dead letters, which hides those for a moment")
	return cmd
}

// explainOptions are the flags of explain.
type explainOptions struct {
	reads       int
	deadLetters bool
}

// explanation is what there is of a conversation, and of one of its messages.
type explanation struct {
	Group       string              `json:"message_group_uuid"`
	Opened      bool                `json:"opened"`
	OpenedBy    string              `json:"opened_by,omitempty"` // key of the message
	Members     int                 `json:"members"`
	Head        string              `json:"head,omitempty"` // key of the newest message projected
	MovedAt     string              `json:"moved_at,omitempty"`
	MovedBy     string              `json:"moved_by,omitempty"` // the projector, or empty: it is not known
	Newest      string              `json:"newest,omitempty"`   // key of the newest message
	Message     *explainedMessage   `json:"message,omitempty"`
	Differences []verify.Difference `json:"differences"`
	Quarantined []recordJSON        `json:"quarantined"` // at most 100
	Findings    []string            `json:"findings"`
	Complete    bool                `json:"complete"` // nothing is missing

	members []postroom.Member // nil: nobody knows them
}

// maxExplained is how many records in quarantine an explanation lists.
const maxExplained = 100

func (a *app) explainAll(ctx context.Context, args []string, o explainOptions) error {
	e := &explanation{Group: args[0], Differences: []verify.Difference{}, Quarantined: []recordJSON{}, Findings: []string{}, Complete: true}
	there, err := a.explainConversation(ctx, e)
	if err != nil {
		return err
	}
	if there && len(args) == 2 {
		if err := a.explainMessage(ctx, e, args[1], o); err != nil {
			return err
		}
	}
	if e.Complete {
		e.find("nothing is missing")
	}
	if a.json {
		err = printJSON(a.stdout, e)
	} else {
		err = e.print(a.stdout)
	}
	if err == nil && !e.Complete {
		err = &findingError{exitDiffers, "something is missing: see the findings"}
	}
	return err
}

// find adds a finding.
func (e *explanation) find(format string, args ...any) {
	e.Findings = append(e.Findings, fmt.Sprintf(format, args...))
}

// miss adds a finding of something that is missing.
func (e *explanation) miss(format string, args ...any) {
	e.Complete = false
	e.find(format, args...)
}

// explainConversation reports whether there is any message.
func (a *app) explainConversation(ctx context.Context, e *explanation) (there bool, err error) {
	table := batch.NewTable(a.table())
	newest, err := table.Page(ctx, backend.Query{
		PK: e.Group, SKPrefix: postroom.MessagePrefix, Descending: true, Limit: 1, Consistent: true,
	})
	if err != nil {
		return false, err
	}
	if len(newest.Items) == 0 {
		e.miss("no message of this conversation is in the log: is it the uuid of a conversation, and of table %s?", a.global.table)
		return false, nil
	}
	e.Newest = backend.KeyOf(newest.Items[0]).SK
	if err := a.explainHead(ctx, table, e); err != nil {
		return true, err
	}
	index, err := a.hasIndex(ctx)
	if err != nil {
		return true, err
	}
	_, err = verify.Run(ctx, a.table(), verify.Options{Index: index, Groups: []string{e.Group}, Found: func(d verify.Difference) {
		e.Differences = append(e.Differences, d)
		e.miss("%s: %s (%q, %q: %s)", d.Kind, a.mend(d), d.PK, d.SK, d.Detail) // what is long is cut at its end
	}})
	if err != nil {
		return true, err
	}
	return true, a.explainQuarantine(ctx, e)
}

// explainHead reads the head. What is wrong with it is among the differences.
func (a *app) explainHead(ctx context.Context, table batch.Table, e *explanation) error {
	it, err := table.Get(ctx, backend.Key{PK: e.Group, SK: postroom.HeadKey})
	if err != nil {
		return err
	}
	if h, err := projection.DecodeHead(it); it != nil && err == nil {
		e.Opened, e.OpenedBy = true, h.OpenedBy
		e.Head, e.MovedAt, e.MovedBy = postroom.MessageKey(h.Last.CreatedAt, h.Last.MessageUUID), formatTime(h.MovedAt), h.MovedBy
	}
	c, err := projection.New(a.table()).Load(ctx, e.Group)
	var damaged *projection.DamagedError
	switch {
	case err == nil:
		e.Members, e.members = len(c.Members), c.Members
		return nil
	case errors.As(err, &damaged), errors.Is(err, projection.ErrNoMembers):
		return nil
	}
	return err
}

func (a *app) explainQuarantine(ctx context.Context, e *explanation) error {
	more := ""
	for s, err := range quarantine.All(ctx, a.control(), quarantine.Reading{Group: e.Group}) {
		if err != nil {
			return err
		}
		if len(e.Quarantined) == maxExplained {
			more = "at least "
			break
		}
		e.Quarantined = append(e.Quarantined, newRecordJSON(s, ""))
	}
	if n := len(e.Quarantined); n > 0 {
		e.miss("%s%s records are in quarantine, the first because: %s; see %s quarantine list --filter message_group_uuid=%s",
			more, count(n), e.Quarantined[0].Reason, a.commandLine(), e.Group)
	}
	return nil
}

// ago says how long ago a time was, for people.
func ago(t time.Time) string { return time.Since(t).Round(time.Second).String() + " ago" }
