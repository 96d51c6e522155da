package main

import (
	"context"
	"math"
	"strings"
	"time"
	"unicode"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/inbox"
	"github.com/postroom/postroom/internal/batch"
	"github.com/postroom/postroom/internal/views"
	"github.com/postroom/postroom/projector/quarantine"
)

// devJSON is the report of dev --until-idle --json: what the store holds, and
// what this run did.
type devJSON struct {
	Messages      int64 `json:"messages"`
	Conversations int64 `json:"conversations"`
	GroupItems    int64 `json:"group_items"`
	Quarantined   int64 `json:"quarantined"`

	Imported               int64   `json:"imported"`
	NotificationsSent      int64   `json:"notifications_sent"`
	NotificationsDelivered int64   `json:"notifications_delivered"`
	DuplicatesDropped      int64   `json:"duplicates_dropped"`
	WriteUnits             float64 `json:"write_units"`
	ReadUnits              float64 `json:"read_units"`
	Seconds                float64 `json:"seconds"`
}

// holdings counts what the store holds.
type holdings struct {
	messages      int64
	conversations int64
	groupItems    int64
	quarantined   int64
	// busiest is the user with the most conversations; of several, the first by
	// uuid.
	busiest      string
	busiestCount int
}

// holdings scans the store and counts what it holds.
func (a *app) holdings(ctx context.Context) (holdings, error) {
	var h holdings
	conversations, users := map[string]bool{}, map[string]int{}
	set, err := views.Read(ctx, a.table())
	if err != nil {
		return h, err
	}
	for item, err := range batch.NewTable(a.table()).Scan(ctx, backend.Scan{Consistent: true}) {
		if err != nil {
			return h, err
		}
		key := backend.KeyOf(item)
		if view, user, ok := postroom.ParseInboxKey(key.PK); ok && view == set.Live {
			h.groupItems++
			users[user]++
		} else if strings.HasPrefix(key.SK, postroom.MessagePrefix) {
			h.messages++
			conversations[key.PK] = true
		}
	}
	h.conversations = int64(len(conversations))
	for user, n := range users {
		if n > h.busiestCount || n == h.busiestCount && user < h.busiest {
			h.busiest, h.busiestCount = user, n
		}
	}
	quarantined, _, err := quarantine.Count(ctx, a.control())
	h.quarantined = int64(quarantined.Records)
	return h, err
}

// say prints a line for people: to stdout unless stdout is for JSON.
func (d *devRun) say(format string, args ...any) {
	out := d.stdout
	if d.json {
		out = d.stderr
	}
	_ = printText(out, format, args...) // nobody may be listening
}

// reportPeople says whom the directory knows by what was imported.
func (d *devRun) reportPeople() {
	if d.people.Written > 0 {
		d.say("The directory has %s profiles by what was imported.\n", count(d.people.Written))
	}
	if d.people.Without > 0 {
		d.say("Handles left out, as somebody else's or none at all: %s. The first: %v\n", count(d.people.Without), d.people.Example)
	}
}

// report prints what happened until the pipeline caught up.
func (d *devRun) report(ctx context.Context, held holdings, units backend.Units, took time.Duration) error {
	d.reportPeople()
	sent, worked := d.projector.Stats().NotificationsSent, d.worker.Stats()
	if d.json && d.opts.idle.until {
		return printJSON(d.stdout, devJSON{
			held.messages, held.conversations, held.groupItems, held.quarantined,
			int64(d.imported.Stored), sent, worked.Delivered, worked.Duplicates,
			units.Write, units.Read, math.Round(took.Seconds()*1000) / 1000,
		})
	}
	if d.imported.Stored+d.imported.AlreadyThere > 0 {
		d.say("Imported %s messages; %s were there already.\n", count(d.imported.Stored), count(d.imported.AlreadyThere))
	}
	d.say("Sent %s notifications and delivered %s, in %.1f s.\n", count(sent), count(worked.Delivered), took.Seconds())
	d.say("The store holds %s messages in %s conversations, and %s rows in its members' lists.\n",
		count(held.messages), count(held.conversations), count(held.groupItems))
	if held.quarantined > 0 {
		d.say("%s records could not be processed and are quarantined.\n", count(held.quarantined))
	}
	if d.opts.idle.until {
		return nil
	}
	return d.suggest(ctx, held)
}

// Two people for examples.
const (
	exampleFrom = "5f3c0e6e-6a53-4a53-9c1e-6f6d3a3c1b11"
	exampleTo   = "0e4b7cb6-9b0a-4f6b-9f0a-0f1a52b7a0d2"
)

// suggest prints what a person would look at next, as lines to paste.
func (d *devRun) suggest(ctx context.Context, held holdings) error {
	self := d.commandLine()
	if held.busiest == "" {
		d.say("\nPost a first message from another terminal, and its delivery shows here:\n  %s post --from %s --to %s --message 'Hello!'\n",
			self, exampleFrom, exampleTo)
	} else {
		page, err := inbox.New(d.table()).Conversations(ctx, held.busiest, inbox.PageOptions{Limit: 1, Consistent: true})
		if err != nil {
			return err
		}
		d.say("\nWhat to look at next, from another terminal:\n\n")
		d.say("  A list of %s conversations, the last reply first:\n    %s inbox %s\n", count(held.busiestCount), self, held.busiest)
		for _, g := range page.Items {
			from, names := g.OtherUserUUID, quoteName(" --name ", g.OtherUserDisplayName)+quoteName(" --handle ", g.OtherUserHandle)
			if from == "" {
				from, names = held.busiest, ""
			}
			d.say("  Its first conversation:\n    %s messages %s\n", self, g.GroupUUID)
			d.say("  A reply in it, which shows here and in the list:\n    %s post --from %s%s --group %s --message 'Hello!'\n",
				self, from, names, g.GroupUUID)
		}
	}
	d.say("\nHealth: http://%s/readyz   Data: %s   Stop: Ctrl-C\n", reachable(d.listener.Addr().String()), d.data)
	return nil
}

// commandLine returns how to run another command on the same data.
func (a *app) commandLine() string {
	line := a.command
	for _, f := range []struct{ name, value, byDefault string }{
		{"backend", a.global.backend, "local"},
		{"endpoint-url", a.endpoint, ""},
		{"region", a.region, ""},
		{"data", a.data, defaultData},
		{"table", a.global.table, defaultTable},
		{"queue", a.queue, defaultQueue},
	} {
		if f.value != f.byDefault {
			line += " --" + f.name + " " + quote(f.value)
		}
	}
	return line
}

// quoteName returns a flag with a name, or nothing if a shell or a terminal could
// misread the name.
func quoteName(flag, name string) string {
	for _, r := range name {
		if !unicode.IsPrint(r) {
			return ""
		}
	}
	return flag + quote(name)
}

// quote makes s one word of a POSIX shell.
func quote(s string) string {
	plain := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-_./@:", r)
	}
	if s != "" && strings.TrimFunc(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
