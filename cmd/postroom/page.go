package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/postroom/postroom/inbox"
	"github.com/postroom/postroom/internal/terminal"
)

func pageFlags(cmd *cobra.Command, page *inbox.PageOptions) {
	cmd.Flags().IntVar(&page.Limit, "limit", inbox.DefaultLimit, "how many rows to read at most, up to "+strconv.Itoa(inbox.MaxLimit))
	cmd.Flags().StringVar(&page.Cursor, "cursor", "", "continue where the page that printed this cursor ended")
	cmd.Flags().BoolVar(&page.Consistent, "consistent", false, "read consistently: see every write that was answered before")
}

func checkPage(page inbox.PageOptions) error {
	if page.Limit < 1 || page.Limit > inbox.MaxLimit {
		return usagef("--limit is %d, must be 1 to %d", page.Limit, inbox.MaxLimit)
	}
	return nil
}

// nextCursor is the last line of a list that was cut.
type nextCursor struct {
	NextCursor string `json:"next_cursor"`
}

// printPage prints a page, as JSON or as a table. It says where to go on, and what was
// left out.
func printPage[T any](a *app, page inbox.Page[T], header []string, empty string, row func(T) []string) error {
	var err error
	if a.json {
		err = printItems(a, page)
	} else {
		err = printTable(a, page, header, empty, row)
	}
	if err != nil {
		return err
	}
	unreadable := bounded{stderr: a.stderr}
	for _, err := range page.Unreadable {
		unreadable.print("%v", err)
	}
	unreadable.end("unreadable items")
	return unreadableItems(len(page.Unreadable))
}

func printItems[T any](a *app, page inbox.Page[T]) error {
	for _, item := range page.Items {
		if err := printJSON(a.stdout, item); err != nil {
			return err
		}
	}
	if page.Cursor == "" {
		return nil
	}
	return printJSON(a.stdout, nextCursor{page.Cursor})
}

func printTable[T any](a *app, page inbox.Page[T], header []string, empty string, row func(T) []string) error {
	var table terminal.Table
	if len(page.Items) > 0 {
		table.Row(header...)
	}
	for _, item := range page.Items {
		table.Row(row(item)...)
	}
	_, err := table.WriteTo(a.stdout)
	switch {
	case page.Cursor != "":
		fmt.Fprintf(a.stderr, "There is more: --cursor %s\n", page.Cursor)
	case len(page.Items) == 0:
		fmt.Fprintln(a.stderr, empty)
	}
	return err
}

func unreadableItems(n int) error {
	if n == 0 {
		return nil
	}
	return fmt.Errorf("%d items could not be read and were left out", n)
}

// wrongRequest turns a request that the read side refuses into wrong usage.
func wrongRequest(err error) error {
	if errors.Is(err, inbox.ErrCursor) || errors.Is(err, inbox.ErrRequest) {
		return &usageError{err}
	}
	return err
}
