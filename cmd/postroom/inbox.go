package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/inbox"
	"github.com/postroom/postroom/internal/terminal"
)

// inboxOptions are the flags of inbox.
type inboxOptions struct {
	user string
	all  bool
	page inbox.PageOptions
}

func newInbox(p process, g *global) *cobra.Command {
	var o inboxOptions
	cmd := &cobra.Command{
		Use:   "inbox USER | inbox --all",
		Short: "List a user's conversations by last reply",
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(args, cmd.Flags().Changed); err != nil {
				return err
			}
			return withApp(cmd.Context(), p, g, need{read: true}, func(ctx context.Context, a *app) error {
				if o.all {
					return a.exportInboxes(ctx)
				}
				return a.listInbox(ctx, o)
			})
		},
	}
	cmd.Flags().BoolVar(&o.all, "all", false, "list every group item of every user, in no particular order")
	pageFlags(cmd, &o.page)
	return cmd
}

func (o *inboxOptions) check(args []string, given func(string) bool) error {
	if o.all {
		for _, name := range []string{"limit", "cursor", "consistent"} {
			if given(name) {
				return usagef("--%s is for one user's inbox, not for --all", name)
			}
		}
		return arguments()(nil, args)
	}
	if err := arguments("USER")(nil, args); err != nil {
		return err
	}
	o.user = args[0]
	if err := postroom.CheckUUID(o.user); err != nil {
		return usagef("USER: %w", err)
	}
	return checkPage(o.page)
}

func (a *app) listInbox(ctx context.Context, o inboxOptions) error {
	page, err := inbox.New(a.table()).Conversations(ctx, o.user, o.page)
	if err != nil {
		return wrongRequest(err)
	}
	header := []string{"LAST REPLY", "WITH", "CONVERSATION", "LAST MESSAGE"}
	return printPage(a, page, header, "No conversations.", func(g postroom.Group) []string {
		with := terminal.Line(g.OtherUserDisplayName, nameWidth)
		if g.MemberCount > postroom.MinMembers {
			with += fmt.Sprintf(" (%d)", g.MemberCount)
		}
		return []string{g.LastReplyAt.Format(time.DateTime), with, g.GroupUUID, terminal.Line(g.LastMessage, textWidth)}
	})
}

func (a *app) exportInboxes(ctx context.Context) error {
	broken := bounded{stderr: a.stderr}
	for g, err := range inbox.New(a.table()).All(ctx) {
		if _, unreadable := errors.AsType[*inbox.UnreadableError](err); unreadable {
			broken.print("%v", err)
			continue
		}
		if err != nil {
			return err
		}
		err = a.print(g, "%s  %s  %s  %s: %s\n", g.UserUUID, postroom.FormatTime(g.LastReplyAt),
			g.GroupUUID, terminal.Line(g.OtherUserDisplayName, nameWidth), terminal.Line(g.LastMessage, textWidth))
		if err != nil {
			return err
		}
	}
	broken.end("unreadable items")
	return unreadableItems(broken.n)
}
