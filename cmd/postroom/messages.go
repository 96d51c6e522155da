package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/inbox"
	"github.com/postroom/postroom/internal/terminal"
)

// messagesOptions are the flags of messages.
type messagesOptions struct {
	group string
	since string
	page  inbox.PageOptions
}

func newMessages(p process, g *global) *cobra.Command {
	var o messagesOptions
	cmd := &cobra.Command{
		Use:   "messages GROUP",
		Short: "List a conversation's messages, newest first",
		Args:  arguments("GROUP"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.group = args[0]
			if err := postroom.CheckUUID(o.group); err != nil {
				return usagef("GROUP: %w", err)
			}
			if err := checkPage(o.page); err != nil {
				return err
			}
			return withApp(cmd.Context(), p, g, need{read: true}, func(ctx context.Context, a *app) error {
				return a.listMessages(ctx, o)
			})
		},
	}
	cmd.Flags().StringVar(&o.since, "since", "", "only this year, month or day: 2026, 2026-05 or 2026-05-21")
	pageFlags(cmd, &o.page)
	return cmd
}

func (a *app) listMessages(ctx context.Context, o messagesOptions) error {
	page, err := inbox.New(a.table()).Messages(ctx, o.group, o.since, o.page)
	if err != nil {
		return wrongRequest(err)
	}
	return printPage(a, page, []string{"TIME", "FROM", "MESSAGE"}, "No messages.", func(m postroom.Message) []string {
		return []string{
			m.CreatedAt.Format(time.DateTime), terminal.Line(m.DisplayName, nameWidth), terminal.Line(m.Text, 2*textWidth),
		}
	})
}
