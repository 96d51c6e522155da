package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/inbox"
)

// Widths of cells on a terminal, in characters.
const (
	nameWidth = 32
	textWidth = 60
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
			return withApp(cmd.Context(), p, g, need{}, func(ctx context.Context, a *app) error {
				if o.all {
					return a.exportInboxes(ctx)
				}
				return a.listInbox(ctx, o)
			})
		},
	}
	cmd.Flags().BoolVar(&o.all, "all", false, "every group item of every user, in no promised order")
	pageFlags(cmd, &o.page)
	return cmd
}

func pageFlags(cmd *cobra.Command, page *inbox.PageOptions) {
	cmd.Flags().IntVar(&page.Limit, "limit", inbox.DefaultLimit, "most rows to read, at most "+strconv.Itoa(inbox.MaxLimit))
	cmd.Flags().StringVar(&page.Cursor, "cursor", "", "go on where the page that gave it ended")
	cmd.Flags().BoolVar(&page.Consistent, "consistent", false, "see every write that was answered before")
}

func checkPage(page inbox.PageOptions) error {
	if page.Limit < 1 || page.Limit > inbox.MaxLimit {
		return usagef("--limit is %d, must be 1 to %d", page.Limit, inbox.MaxLimit)
	}
	return nil
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
	if a.json {
		return printPage(a, page)
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	if len(page.Items) > 0 {
		fmt.Fprintln(w, "LAST REPLY\tWITH\tCONVERSATION\tLAST MESSAGE")
	}
	for _, g := range page.Items {
		with := oneLine(g.OtherUserDisplayName, nameWidth)
		if g.MemberCount > postroom.MinMembers {
			with += fmt.Sprintf(" (%d)", g.MemberCount)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", g.LastReplyAt.Format("2006-01-02 15:04:05"), with, g.GroupUUID, oneLine(g.LastMessage, textWidth))
	}
	return endTable(a, w, page, "No conversations.")
}

func (a *app) exportInboxes(ctx context.Context) error {
	broken := 0
	for g, err := range inbox.New(a.table()).All(ctx) {
		var unreadable *inbox.UnreadableError
		switch {
		case errors.As(err, &unreadable):
			broken++
			fmt.Fprintln(a.stderr, err)
			continue
		case err != nil:
			return err
		case a.json:
			err = printJSON(a.stdout, g)
		default:
			_, err = fmt.Fprintf(a.stdout, "%s  %s  %s  %s: %s\n", g.UserUUID, postroom.FormatTime(g.LastReplyAt),
				g.GroupUUID, oneLine(g.OtherUserDisplayName, nameWidth), oneLine(g.LastMessage, textWidth))
		}
		if err != nil {
			return err
		}
	}
	return unreadableItems(broken)
}

// printPage prints a page as JSON, with the cursor at the end if it was cut.
func printPage[T any](a *app, page inbox.Page[T]) error {
	for _, item := range page.Items {
		if err := printJSON(a.stdout, item); err != nil {
			return err
		}
	}
	if page.Cursor != "" {
		if err := printJSON(a.stdout, nextCursor{page.Cursor}); err != nil {
			return err
		}
	}
	return reportUnreadable(a, page)
}

// endTable ends a page for people: what goes on where, and what was left out.
func endTable[T any](a *app, w *tabwriter.Writer, page inbox.Page[T], empty string) error {
	if err := w.Flush(); err != nil {
		return err
	}
	switch {
	case page.Cursor != "":
		fmt.Fprintf(a.stderr, "There is more: --cursor %s\n", page.Cursor)
	case len(page.Items) == 0:
		fmt.Fprintln(a.stderr, empty)
	}
	return reportUnreadable(a, page)
}

func reportUnreadable[T any](a *app, page inbox.Page[T]) error {
	for _, err := range page.Unreadable {
		fmt.Fprintln(a.stderr, err)
	}
	return unreadableItems(len(page.Unreadable))
}

func unreadableItems(n int) error {
	if n == 0 {
		return nil
	}
	return fmt.Errorf("%d items could not be read and were left out", n)
}

// wrongRequest makes wrong usage of what the read side refuses.
func wrongRequest(err error) error {
	if errors.Is(err, inbox.ErrCursor) || errors.Is(err, inbox.ErrRequest) {
		return &usageError{err}
	}
	return err
}
