//go:build unix

package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/local"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/projector/rebuild"
	"github.com/postroom/postroom/projector/replay"
)

// scenario makes the state in which the commands of a section run: what the section is
// about has happened.
type scenario struct {
	heading string // of the section
	makes   func(w *world)
}

// scenarios are in the order of the page.
func scenarios() []scenario {
	return []scenario{
		{"Inboxes look old", inboxesLookOld},
		{"One conversation stands still", neverOpened},
		{"One user sees a wrong inbox", rowIsStale},
		{"Notifications are late, doubled or missing", undelivered},
		{"The webhook fails", webhookRefuses},
		{"A shard has no reader", hello},
		{"Leases change hands", allIsWell},
		{"The table throttles", allIsWell},
		{"A backfill is under way", openGap},
		{"Credentials are refused", noCredentials},
		{"Another version wrote it", newerFormat},
		{"A clock is wrong", fromTheFuture},
		{"Memory grows", allIsWell},
		{"The disk is full", diskIsFull},
		{"The data file is gone", fileIsGone},
		{"The stream lost records", awayForADay},
		{"The index is missing", noIndex},
		{"What runs", undelivered},
		{"Is it behind?", allIsWell},
		{"Do messages arrive?", arriving},
		{"Do the lists agree with the log?", rowIsGone},
		{"Make the lists anew", rebuilds},
		{"Bringing a new format of rows into use", hello},
		{"Where is this message?", oneMessage},
		{"Processing messages again", aReplay},
		{"Is it healthy?", allIsWell},
		{"Another queue", anotherQueue},
		{"Damaged items", leaseIsDamaged},
		{"Quarantined records", quarantinedRecords},
		{"Dead letters", someDeadLetters},
		{"Backup", hello},
		{"Restore", aBackup},
		{"Removing it", hello},
		{"Measure it", aFile}, // of cost.md
	}
}

// hello is a message of ada to bob that is projected and delivered.
func hello(w *world) {
	w.ok("post", "--from", ada, "--name", "Ada", "--to", bob, "--to-name", "Bob", "--message", "Hello")
	w.pipeline()
	w.names["GROUP"], w.names["USER"] = postroom.PairUUID(ada, bob), bob
}

// allIsWell has a projector run, with nothing left to do: at the first start the log is
// scanned.
func allIsWell(w *world) {
	hello(w)
	addr, stop := w.daemon("project")
	w.t.Cleanup(stop)
	awaitReady(w.t, addr)
	w.names["HOST:PORT"] = addr
}

// arriving has a projector and a consumer run.
func arriving(w *world) {
	allIsWell(w)
	_, stop := w.daemon("consume", "--dedup", "table")
	w.t.Cleanup(stop)
}

// undelivered is a message of ada to bob, whose notification is not delivered.
func undelivered(w *world) {
	w.ok("post", "--from", ada, "--to", bob, "--message", "Hello")
	w.ok("project", "--until-idle", "--idle-after", "50ms")
	oneOf(w)
}

// webhookRefuses: a receiver wants no such request, until it is put right.
func webhookRefuses(w *world) {
	undelivered(w)
	h := newHook(w.t, http.StatusUnprocessableEntity)
	w.names["URL"], w.names["FILE"] = h.URL+" --webhook-allow-private", w.file("secrets", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3\n")
	w.before["postroom redrive"] = func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.status = http.StatusNoContent
	}
}

// noCredentials: the SDK finds none.
func noCredentials(w *world) {
	w.env = []string{
		"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_PROFILE=", "AWS_CONFIG_FILE=" + os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull, "AWS_EC2_METADATA_DISABLED=true",
	}
}

// newerFormat: a later version of the program has written a lease.
func newerFormat(w *world) {
	hello(w)
	w.changeControl("SHARD#", func(it backend.Item) { it["format"] = item.Int(99) })
}

// diskIsFull: a file that must not grow stands for that.
func diskIsFull(w *world) {
	w.names["FILE"] = w.file("messages.jsonl", manyMessages(w.t, 2_000))
	w.under = "trap '' XFSZ; ulimit -f 400; "
	full := false
	w.before["postroom post --file FILE"] = func() {
		if full = !full; !full {
			w.under = ""
		}
	}
}

// fileIsGone: somebody has moved the file, and not its -wal.
func fileIsGone(w *world) {
	hello(w)
	b, err := local.Open(w.path("postroom.db"), local.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.ok("post", "--from", bob, "--to", ada, "--message", "Hello, Ada")
	wal, err := os.ReadFile(w.path("postroom.db-wal"))
	if err := errors.Join(err, os.Link(w.path("postroom.db"), w.path("moved.db")), b.Close()); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Remove(w.path("postroom.db")); err != nil {
		w.t.Fatal(err)
	}
	w.names["MOVED"] = "moved.db"
	w.file("postroom.db-wal", string(wal))
}

// anotherQueue: a projector runs, and sends to the default queue.
func anotherQueue(w *world) {
	allIsWell(w)
	w.ok("provision", "--queue", "new.fifo")
	w.names["NEW.fifo"] = "new.fifo"
}

// aBackup was made, and then there was a message more.
func aBackup(w *world) {
	hello(w)
	data, err := os.ReadFile(w.path("postroom.db"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.names["BACKUP"] = w.file("backup.db", string(data))
	w.ok("post", "--from", bob, "--to", ada, "--message", "Hello, Ada")
}

// fromTheFuture is a message of somebody whose clock is two hours ahead.
func fromTheFuture(w *world) {
	hello(w)
	w.onTable(defaultTable, func(ctx context.Context, table backend.Table) error {
		m := postroom.Message{
			GroupUUID: postroom.PairUUID(ada, bob), MessageUUID: chloe, UserUUID: ada, DisplayName: "Ada", Handle: "@ada",
			Text: "See you later", CreatedAt: time.Now().UTC().Add(2 * time.Hour),
		}
		_, err := table.Put(ctx, m.Item(), backend.Condition{})
		return err
	})
}

// openGap is a range that the stream has lost, and that no projector fills.
func openGap(w *world) {
	awayForADay(w)
	w.ok("project", "--until-idle", "--idle-after", "50ms")
	w.changeControl("GAP#", func(it backend.Item) {
		if backend.Text(it, "shard") != "" {
			it["state"] = item.String("perhaps")
		}
	})
	w.ok("repair")
}

// aFile holds messages to import.
func aFile(w *world) {
	w.names["FILE"] = w.file("messages.jsonl", message(w.t, nil))
	w.env = []string{"POSTROOM_ADDR=127.0.0.1:0"}
}

// awayForADay: projectors ran until a time that is long ago, and then a message was posted.
func awayForADay(w *world) {
	synctest.Test(w.t, func(t *testing.T) {
		s := *w.shell
		s.t = t
		hello(&world{shell: &s, names: w.names})
		time.Sleep(time.Hour)
		s.ok("post", "--from", bob, "--to", ada, "--message", "Hello, Ada")
	})
	w.until["postroom project"] = `"backfill finished"`
}

// noIndex is a table that was made without one.
func noIndex(w *world) {
	w.ok("provision", "--index=none")
	hello(w)
}

// inboxesLookOld: messages were posted, and no projector runs.
func inboxesLookOld(w *world) {
	hello(w)
	w.ok("post", "--from", bob, "--to", ada, "--message", "Hello, Ada")
	w.until["postroom project"] = `"acquired shards"`
	w.until["postroom status --watch"] = "SHARD "
}

// neverOpened: a conversation of three got a message, but not the one that names them.
func neverOpened(w *world) {
	group := "55555555-5555-4555-8555-555555555555"
	w.ok("post", "--from", ada, "--group", group, "--message", "Hello")
	members, err := json.Marshal([]postroom.Member{{UserUUID: ada, Handle: "@ada"}, {UserUUID: bob, Handle: "@bob"}, {UserUUID: chloe, Handle: "@chloe"}})
	if err != nil {
		w.t.Fatal(err)
	}
	w.names["GROUP"], w.names["USER"], w.names["FILE"] = group, ada, w.file("members.json", string(members))
}

// rowIsGone: somebody has deleted a row.
func rowIsGone(w *world) {
	hello(w)
	w.damageTable(func(it backend.Item) []backend.Write {
		if key := backend.KeyOf(it); key.PK == postroom.InboxKey(bob) {
			return []backend.Write{{Delete: key}}
		}
		return nil
	})
}

// rebuilds are of a table of which somebody has deleted a row.
func rebuilds(w *world) {
	rowIsGone(w)
	w.before["postroom rebuild stop ID"] = func() {
		for _, r := range w.rebuilds() {
			if r.State == string(rebuild.Running) {
				w.names["ID"] = r.ID
			}
		}
	}
}

// rowIsStale: somebody has changed one.
func rowIsStale(w *world) {
	hello(w)
	w.damageTable(func(it backend.Item) []backend.Write {
		if key := backend.KeyOf(it); key.PK == postroom.InboxKey(bob) {
			it["last_message"] = item.String("Good bye")
			return []backend.Write{{Put: it}}
		}
		return nil
	})
}

// leaseIsDamaged: somebody has changed one.
func leaseIsDamaged(w *world) {
	hello(w)
	if w.changeControl("SHARD#", func(it backend.Item) { it["epoch"] = item.String("one") }) == 0 {
		w.t.Fatal("there is no lease")
	}
}

// oneMessage is of interest, and nothing is wrong with it.
func oneMessage(w *world) {
	hello(w)
	oneOf(w)
}

// oneOf has the names stand for the message of ada to bob.
func oneOf(w *world) {
	w.names["GROUP"] = postroom.PairUUID(ada, bob)
	w.names["MESSAGE"] = lines[postroom.Message](w.t, w.ok("messages", w.names["GROUP"], "--json"))[0].MessageUUID
}

// quarantinedRecords: messages without a text, and one of somebody who is no member.
func quarantinedRecords(w *world) {
	mend := w.breakMessages(2)
	w.ok("post", "--from", chloe, "--group", postroom.PairUUID(ada, bob), "--message", "I am no member")
	w.run("project", "--until-idle", "--idle-after", "50ms")
	for _, r := range w.records() {
		if w.names["ID"] = r.ID; !strings.Contains(r.Reason, "member") {
			break
		}
	}
	w.before["postroom quarantine retry --filter id=ID"] = mend
}

// someDeadLetters: three notifications failed for good.
func someDeadLetters(w *world) {
	w.deadLetters()
	w.names["USER"] = bob
}

// aReplay is one that nobody carries out.
func aReplay(w *world) {
	hello(w)
	w.names["NAME"] = "last-night"
	w.onTable(postroom.ControlTable(defaultTable), func(ctx context.Context, control backend.Table) error {
		now := time.Now()
		r, err := replay.New(replay.Definition{
			Name: w.names["NAME"], From: "12h", Begin: now.Add(-12 * time.Hour), End: now, Rate: 1, Queue: defaultQueue,
		}, replay.Log, 1, now)
		if err == nil {
			_, err = replay.Create(ctx, control, r)
		}
		return err
	})
}
