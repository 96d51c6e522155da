package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/projector/quarantine"
)

func newQuarantine(p process, g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "quarantine",
		Short: "List, show, retry or drop the records that could not be processed",
		Long: `Records that the projector cannot process are kept in quarantine, whole, with the
reason. They block nothing. Begin with: quarantine list --reasons`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return usagef("unknown command %q, must be list, show, retry or drop", args[0])
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newQuarantineList(p, g), newQuarantineShow(p, g), newQuarantineRetry(p, g), newQuarantineDrop(p, g))
	return cmd
}

const recordFilterHelp = `A filter is KEY=VALUE, each key once:
  message_group_uuid=UUID  the conversation
  id=ID                    the record, as list prints it
  reason=TEXT              part of the reason
  since=TIME, before=TIME  when it was quarantined last, such as 2026-05-21T10:30:00Z`

// recordFilter says which records to read, and which of these match.
type recordFilter struct {
	reading quarantine.Reading
	matches func(*quarantine.Stored) bool
	damaged int // items that could not be read
}

// newRecordFilter parses filters.
func newRecordFilter(texts []string) (*recordFilter, error) {
	f := &recordFilter{}
	f.reading.Damaged = func(*item.DamageError) { f.damaged++ }
	var err error
	f.matches, err = parseFilters(texts, f.parse)
	return f, err
}

// goOnAfter makes the reading go on after the record of a cursor, if there is one.
func (f *recordFilter) goOnAfter(cursor string) (err error) {
	if cursor == "" {
		return nil
	}
	if f.reading.After, err = quarantine.ParseID(cursor); err != nil {
		return usagef("--cursor: %w", err)
	}
	if group, _, _ := strings.Cut(cursor, "/"); f.reading.Group != "" && group != f.reading.Group {
		return usagef("--cursor is of another list: it names the conversation %s, and --filter %s", group, f.reading.Group)
	}
	return nil
}

// parse parses one filter. A conversation that is given is all that is read.
func (f *recordFilter) parse(key, value string) (func(*quarantine.Stored) bool, error) {
	var at time.Time
	var err error
	switch key {
	case "message_group_uuid":
		if err = postroom.CheckUUID(value); err == nil {
			f.reading.Group = value
		}
	case "id":
		if _, err = quarantine.ParseID(value); err == nil {
			f.reading.Group, _, _ = strings.Cut(value, "/")
		}
	case "since", "before":
		at, err = postroom.ParseAnyTime(value)
	}
	if err != nil {
		return nil, usagef("--filter %s: %w", key, err)
	}
	switch key {
	case "message_group_uuid":
		return func(s *quarantine.Stored) bool { return s.Group() == value }, nil
	case "id":
		return func(s *quarantine.Stored) bool { return s.ID == value }, nil
	case "reason":
		return func(s *quarantine.Stored) bool { return strings.Contains(s.Reason, value) }, nil
	case "since":
		return func(s *quarantine.Stored) bool { return !lastQuarantined(s).Before(at) }, nil
	case "before":
		return func(s *quarantine.Stored) bool { return lastQuarantined(s).Before(at) }, nil
	}
	return nil, usagef("--filter %q is unknown, must be message_group_uuid, id, reason, since or before", key)
}

// lastQuarantined returns when a record was quarantined; where an older program did not
// say it, the time of the record, which is earlier.
func lastQuarantined(s *quarantine.Stored) time.Time {
	if s.QuarantinedAt.IsZero() {
		return s.CreatedAt
	}
	return s.QuarantinedAt
}

// each calls do for each record that matches, until it returns false.
func (f *recordFilter) each(ctx context.Context, a *app, do func(*quarantine.Stored) (bool, error)) error {
	f.damaged = 0
	for s, err := range quarantine.All(ctx, a.control(), f.reading) {
		if err != nil {
			return err
		}
		if !f.matches(s) {
			continue
		}
		if more, err := do(s); !more || err != nil {
			return err
		}
	}
	return nil
}

// warn says that items could not be read.
func (f *recordFilter) warn(a *app) {
	if f.damaged > 0 {
		fmt.Fprintf(a.stderr, "%s items of the quarantine are damaged and left out: see `postroom repair --dry-run`\n", count(f.damaged))
	}
}

// recordJSON is a record in quarantine.
type recordJSON struct {
	Outcome       string `json:"outcome,omitempty"` // of retry and drop
	ID            string `json:"id"`
	PK            string `json:"pk"` // of the message
	SK            string `json:"sk"`
	Reason        string `json:"reason"`
	Waiting       bool   `json:"waiting"` // until somebody names the members of the conversation
	Silent        bool   `json:"silent"`  // nobody is owed a notification
	Attempts      int64  `json:"attempts"`
	QuarantinedAt string `json:"quarantined_at"` // the last time; empty: by a program that did not say
	CreatedAt     string `json:"created_at"`     // of the record
	Origin        string `json:"origin"`
	Shard         string `json:"shard,omitempty"`
	Sequence      string `json:"sequence,omitempty"`
	EventID       string `json:"event_id"`
}

func newRecordJSON(s *quarantine.Stored, outcome string) recordJSON {
	return recordJSON{
		Outcome: outcome, ID: s.ID, PK: s.Key.PK, SK: s.Key.SK, Reason: s.Reason, Waiting: s.Waiting, Silent: s.Silent,
		Attempts: s.Attempts, QuarantinedAt: formatTime(s.QuarantinedAt), CreatedAt: formatTime(s.CreatedAt),
		Origin: string(s.Origin), Shard: s.Shard, Sequence: s.Sequence, EventID: s.EventID,
	}
}

// wholeJSON is a record with its image, as DynamoDB's JSON has it.
type wholeJSON struct {
	recordJSON

	Image      json.RawMessage `json:"image"` // null: none was kept
	ImageError string          `json:"image_error,omitempty"`
}

func newWholeJSON(w *quarantine.Whole, outcome string) (wholeJSON, error) {
	j := wholeJSON{recordJSON: newRecordJSON(&w.Stored, outcome)}
	if w.ImageErr != nil {
		j.ImageError = w.ImageErr.Error()
	}
	if w.Image == nil {
		return j, nil
	}
	var err error
	j.Image, err = backend.EncodeItem(w.Image)
	return j, err
}
