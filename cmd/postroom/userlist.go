package main

import (
	"context"
	"errors"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/directory"
	"github.com/postroom/postroom/inbox"
	"github.com/postroom/postroom/internal/terminal"
)

func newUserList(p process, g *global) *cobra.Command {
	var limit int
	var cursor string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the users of the directory",
		Long:  "Lists the users of the directory, in no particular order. It scans the whole table for them.",
		Args:  arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkPage(inbox.PageOptions{Limit: limit}); err != nil {
				return err
			}
			if cursor != "" {
				if err := postroom.CheckUUID(cursor); err != nil {
					return usagef("--cursor: %w", err)
				}
			}
			return withApp(cmd.Context(), p, g, need{read: true}, func(ctx context.Context, a *app) error {
				return a.listUsers(ctx, cursor, limit)
			})
		},
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	fl.IntVar(&limit, "limit", inbox.DefaultLimit, "how many users to list at most, up to "+strconv.Itoa(inbox.MaxLimit))
	fl.StringVar(&cursor, "cursor", "", "continue where the page that printed this cursor ended")
	return cmd
}

func (a *app) listUsers(ctx context.Context, cursor string, limit int) error {
	var page inbox.Page[profileJSON]
	for p, err := range directory.New(a.table()).All(ctx, cursor) {
		damage, damaged := errors.AsType[*directory.DamageError](err)
		switch {
		case damaged:
			page.Unreadable = append(page.Unreadable, &inbox.UnreadableError{Key: damage.Key, Err: damage.Err})
			continue
		case err != nil:
			return err
		}
		if len(page.Items) == limit {
			page.Cursor = page.Items[limit-1].UserUUID
			break
		}
		page.Items = append(page.Items, newProfileJSON(p))
	}
	header := []string{"HANDLE", "NAME", "USER", "UPDATED"}
	return printPage(a, page, header, "No users are in the directory.", func(p profileJSON) []string {
		return []string{atHandle(p.Handle), terminal.Line(p.DisplayName, nameWidth), p.UserUUID, p.UpdatedAt}
	})
}
