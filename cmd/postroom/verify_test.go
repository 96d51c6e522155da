package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/local"
	"github.com/postroom/postroom/internal/item"
)

// damageTable lets somebody write into the table: change gets every item, and returns
// what is written.
func (s *shell) damageTable(change func(backend.Item) []backend.Write) {
	s.t.Helper()
	b, err := local.Open(s.path("postroom.db"), local.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	defer b.Close()
	table := b.Table(defaultTable)
	page, err := table.Scan(s.t.Context(), backend.Scan{Consistent: true})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, it := range page.Items {
		writes := change(maps.Clone(it))
		if len(writes) == 0 {
			continue
		}
		if _, _, err := table.BatchWrite(s.t.Context(), writes); err != nil {
			s.t.Fatal(err)
		}
	}
}

// TestVerifyRepair: verify names what was damaged, with the key and the command that
// mends it. That command mends it, and --repair all that is left; then verify agrees.
func TestVerifyRepair(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	pair := postroom.PairUUID(ada, bob)
	s.ok("post", "--from", ada, "--to", bob, "--message", "Hello")
	s.ok("post", "--from", ada, "--to", chloe, "--message", "Hello")
	s.pipeline()
	s.damageTable(func(it backend.Item) []backend.Write {
		key := backend.KeyOf(it)
		switch {
		case key.PK == postroom.InboxKey(ada) && strings.HasSuffix(key.SK, pair):
			return []backend.Write{{Delete: key}}
		case key.PK == postroom.InboxKey(bob):
			again, stranger := maps.Clone(it), maps.Clone(it)
			it["last_message"] = item.String("Something else")
			again["SK"] = item.String("2020-01-01T00:00:00.000000Z#" + pair)
			stranger["PK"], stranger["user_uuid"] = item.String(postroom.InboxKey(dora)), item.String(dora)
			return []backend.Write{{Put: it}, {Put: again}, {Put: stranger}}
		case key.SK == postroom.HeadKey && key.PK != pair:
			it["last_reply_at"] = item.String("2031-01-01T00:00:00.000000Z")
			return []backend.Write{{Put: it}}
		}
		return nil
	})
	other := postroom.PairUUID(ada, chloe)
	mends := map[string]string{
		"missing": "--group " + pair, "stale": "--group " + pair, "doubled": "--user " + bob, "orphan": "--user " + dora, "head_ahead": "--group " + other,
	}
	r := s.run("verify", "--json")
	found := lines[differenceJSON](t, r.stdout)
	found = found[:len(found)-1] // the counts
	var kinds []string
	for _, d := range found {
		kinds = append(kinds, string(d.Kind))
		if want := "verify --repair " + mends[string(d.Kind)]; !strings.HasSuffix(d.Mend, want) || d.PK == "" || d.SK == "" || d.Repaired {
			t.Errorf("%+v, want %s", d, want)
		}
	}
	slices.Sort(kinds)
	if want := slices.Sorted(maps.Keys(mends)); r.code != exitDiffers || !slices.Equal(kinds, want) {
		t.Errorf("exit code %d, differences %v, want %v", r.code, kinds, want)
	}
	if out := s.run("verify", "--repair", "--group", pair).stdout; strings.Contains(out, other) || !strings.HasSuffix(out, "\n4 of them repaired\n") {
		t.Errorf("verify --repair --group printed %s", out)
	}
	if out := s.ok("verify", "--user", dora); out != "0 messages in 0 conversations, 0 group items: 0 differences\n" {
		t.Errorf("verify --user printed %s", out)
	}
	out := s.ok("verify", "--repair", "--user", chloe)
	if !strings.HasPrefix(out, "head_ahead: conversation "+other+", "+other+" HEAD: the head is at MSG#2031-") || !strings.HasSuffix(out, "\n1 of them repaired\n") {
		t.Errorf("verify --repair --user printed %s", out)
	}
	if out := s.ok("verify", "--sample", "100%"); out != "2 messages in 2 conversations, 4 group items: 0 differences\n" {
		t.Errorf("verify --sample printed %s", out)
	}
	if out := s.ok("verify", "--group", pair, "--group", other); out != "2 messages in 2 conversations, 4 group items: 0 differences\n" {
		t.Errorf("verify --group printed %s", out)
	}
}

// TestVerifySampleIsStable: a sample is the same one again, another one has another
// seed, and what they read grows with their share.
func TestVerifySampleIsStable(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	var text strings.Builder
	for i := range 200 {
		text.WriteString(message(t, func(m *postroom.Message) {
			m.GroupUUID, m.MessageUUID = fmt.Sprintf("aaaaaaaa-0000-4000-8000-%012d", i), fmt.Sprintf("bbbbbbbb-0000-4000-8000-%012d", i)
		}))
	}
	s.ok("post", "--file", s.file("messages.jsonl", text.String()))
	s.pipeline()
	sample := func(share, seed string) verifiedJSON {
		return lines[verifiedJSON](t, s.ok("verify", "--json", "--sample", share, "--seed", seed))[0]
	}
	tenth, again, other, half, all := sample("10%", "1"), sample("0.1", "1"), sample("10%", "2"), sample("50%", "1"), sample("100%", "1")
	if tenth != again || tenth == other {
		t.Errorf("the same sample is %+v and %+v, another one %+v", tenth, again, other)
	}
	if n := tenth.Conversations; n < 2 || n > 60 || half.Conversations < 50 || half.Conversations > 150 || all.Conversations != 200 {
		t.Errorf("of 200 conversations 10%% are %d, 50%% %d, all %d", n, half.Conversations, all.Conversations)
	}
	if tenth.ReadUnits > all.ReadUnits/2 {
		t.Errorf("10%% take %g read units, all %g", tenth.ReadUnits, all.ReadUnits)
	}
}
