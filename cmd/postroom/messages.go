package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/inbox"
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
			return withApp(cmd.Context(), p, g, need{}, func(ctx context.Context, a *app) error {
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
	if a.json {
		return printPage(a, page)
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	if len(page.Items) > 0 {
		fmt.Fprintln(w, "TIME\tFROM\tMESSAGE")
	}
	for _, m := range page.Items {
		fmt.Fprintf(w, "%s\t%s\t%s\n", m.CreatedAt.Format("2006-01-02 15:04:05"),
			oneLine(m.DisplayName, nameWidth), oneLine(m.Text, 2*textWidth))
	}
	return endTable(a, w, page, "No messages.")
}
