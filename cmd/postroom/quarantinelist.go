package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/postroom/postroom/inbox"
	"github.com/postroom/postroom/internal/terminal"
	"github.com/postroom/postroom/projector/quarantine"
)

func newQuarantineList(p process, g *global) *cobra.Command {
	var filters []string
	var limit int
	var cursor string
	var reasons bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List quarantined records, or count them by reason",
		Long: `Lists the records in quarantine, those of a conversation in the order of time. With
--reasons it reads all of them and counts them by reason; ids, times and numbers in a
reason do not tell it from another.

` + recordFilterHelp,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if reasons && (cmd.Flags().Changed("limit") || cursor != "") {
				return usagef("--reasons reads all records: --limit and --cursor do nothing with it")
			}
			if err := checkPage(inbox.PageOptions{Limit: limit}); err != nil {
				return err
			}
			f, err := newRecordFilter(filters)
			if err != nil {
				return err
			}
			if err := f.goOnAfter(cursor); err != nil {
				return err
			}
			return withApp(cmd.Context(), p, g, need{read: true}, func(ctx context.Context, a *app) error {
				defer f.warn(a)
				if reasons {
					return a.listReasons(ctx, f)
				}
				return a.listRecords(ctx, f, limit)
			})
		},
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	fl.BoolVar(&reasons, "reasons", false, "count the records by reason")
	fl.StringArrayVar(&filters, "filter", nil, "KEY=VALUE that the records must match; may be given several times")
	fl.IntVar(&limit, "limit", inbox.DefaultLimit, "how many records to list at most, up to "+strconv.Itoa(inbox.MaxLimit))
	fl.StringVar(&cursor, "cursor", "", "continue where the page that printed this cursor ended")
	return cmd
}

func (a *app) listRecords(ctx context.Context, f *recordFilter, limit int) error {
	var page inbox.Page[recordJSON]
	err := f.each(ctx, a, func(s *quarantine.Stored) (bool, error) {
		if len(page.Items) == limit {
			page.Cursor = page.Items[limit-1].ID
			return false, nil
		}
		page.Items = append(page.Items, newRecordJSON(s, ""))
		return true, nil
	})
	if err != nil {
		return err
	}
	header := []string{"QUARANTINED AT", "ATTEMPTS", "ID", "REASON"}
	return printPage(a, page, header, "No records are in quarantine.", func(r recordJSON) []string {
		return []string{r.QuarantinedAt, strconv.FormatInt(r.Attempts, 10), r.ID, terminal.Line(r.Reason, textWidth)}
	})
}

func (a *app) listReasons(ctx context.Context, f *recordFilter) error {
	var r reasons
	err := f.each(ctx, a, func(s *quarantine.Stored) (bool, error) {
		r.add(s)
		return true, nil
	})
	if err != nil {
		return err
	}
	if a.json {
		for _, one := range r.sorted() {
			if err := printJSON(a.stdout, one); err != nil {
				return err
			}
		}
		return nil
	}
	if r.records == 0 {
		_, err := fmt.Fprintln(a.stderr, "No records are in quarantine.")
		return err
	}
	if err := r.print(a.stdout, maxReported); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "%s records in quarantine\n", count(r.records))
	return err
}

func newQuarantineShow(p process, g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "Show a quarantined record whole",
		Long: `Shows a record with all that is known of it, and the item as it was read, in
DynamoDB's JSON. The ID is the one that list prints.`,
		Args: arguments("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			place, err := quarantine.ParseID(args[0])
			if err != nil {
				return &usageError{err}
			}
			return withApp(cmd.Context(), p, g, need{read: true}, func(ctx context.Context, a *app) error {
				return a.showRecord(ctx, place)
			})
		},
	}
}

func (a *app) showRecord(ctx context.Context, place quarantine.Place) error {
	w, err := quarantine.Load(ctx, a.control(), place)
	if err != nil {
		return err
	}
	if w == nil {
		return fmt.Errorf("no record %s is in quarantine: it was retried or dropped, or is damaged (see `postroom repair --dry-run`)", place.ID())
	}
	j, err := newWholeJSON(w, "")
	if err != nil {
		return err
	}
	if a.json {
		return printJSON(a.stdout, j)
	}
	return a.printWhole(j)
}

// printWhole prints a record for people: line by line, and its image in full.
func (a *app) printWhole(j wholeJSON) error {
	var t terminal.Table
	t.Row("id", j.ID)
	t.Row("message", fmt.Sprintf("%q, %q", j.PK, j.SK))
	t.Row("reason", j.Reason)
	if j.Waiting {
		t.Row("", "waits for a message that names the members of the conversation")
	}
	if j.Silent {
		t.Row("", "nobody is owed a notification of it")
	}
	t.Row("attempts", strconv.FormatInt(j.Attempts, 10))
	t.Row("quarantined", j.QuarantinedAt)
	t.Row("read from", fmt.Sprintf("the %s, %s %s", j.Origin, j.Shard, j.Sequence))
	t.Row("created", j.CreatedAt)
	t.Row("event", j.EventID)
	if _, err := t.WriteTo(a.stdout); err != nil {
		return err
	}
	switch {
	case j.ImageError != "":
		return printText(a.stdout, "its image cannot be read: %s\n", j.ImageError)
	case j.Image == nil:
		return printText(a.stdout, "no image was kept\n")
	}
	var image bytes.Buffer
	if err := json.Indent(&image, j.Image, "", "  "); err != nil {
		return err
	}
	image.WriteByte('\n')
	_, err := a.stdout.Write(terminal.JSON(image.Bytes()))
	return err
}
