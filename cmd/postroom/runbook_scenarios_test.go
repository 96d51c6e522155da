//go:build unix

package main

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
)

// scenarios make the state in which the commands of a section run, by its heading: what
// the section is about has happened.
func scenarios() map[string]func(w *world) {
	return map[string]func(w *world){
		"Inboxes look old":                 inboxesLookOld,
		"One conversation stands still":    neverOpened,
		"One user sees a wrong inbox":      rowIsStale,
		"What runs":                        undelivered,
		"The stream lost records":          awayForADay,
		"The index is missing":             noIndex,
		"Measure it":                       aFile,
		"Is it healthy?":                   healthy,
		"Damaged items":                    leaseIsDamaged,
		"Removing it":                      hello,
		"Is it behind?":                    allIsWell,
		"Do messages arrive?":              arriving,
		"Do the lists agree with the log?": rowIsGone,
		"Where is this message?":           oneMessage,
		"Quarantined records":              quarantinedRecords,
		"Dead letters":                     someDeadLetters,
	}
}

// hello is a message of ada to bob that is projected and delivered.
func hello(w *world) {
	w.ok("post", "--from", ada, "--name", "Ada", "--to", bob, "--to-name", "Bob", "--message", "Hello")
	w.pipeline()
	w.names["GROUP"], w.names["USER"] = postroom.PairUUID(ada, bob), bob
}

// allIsWell has a projector run, with nothing left to do.
func allIsWell(w *world) {
	hello(w)
	addr, stop := w.daemon("project")
	w.t.Cleanup(stop)
	awaitReady(w.t, addr)
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

// healthy is a projector with an address.
func healthy(w *world) {
	addr, stop := w.daemon("project")
	w.t.Cleanup(stop)
	w.names["HOST:PORT"] = addr
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
	found := lines[postroom.Message](w.t, w.ok("messages", postroom.PairUUID(ada, bob), "--json"))
	w.names["MESSAGE"] = found[0].MessageUUID
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
