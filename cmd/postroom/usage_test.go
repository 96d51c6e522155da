package main

import (
	"strings"
	"testing"
)

func TestWrongUsage(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	for _, c := range []struct{ want, args string }{
		{`unknown command "instal"`, "instal"},
		{"did you mean post?", "pots"},
		{"unknown flag: --frob", "dev --frob"},
		{"--backend is", "status --backend gcp"},
		{"--log-level is", "status --log-level loud"},
		{"--data does nothing", "status --backend aws --data x"},
		{"--region does nothing", "status --region x"},
		{"USER is missing", "inbox"},
		{"unexpected argument", "inbox " + ada + " " + bob},
		{"unexpected argument", "inbox --all " + ada},
		{"--limit is for one user's", "inbox --all --limit 3"},
		{"not a canonical lower-case uuid", "inbox ADA"},
		{"--limit is 0", "messages --limit 0 " + ada},
		{"GROUP is missing", "messages"},
		{"invalid", "messages --cursor frob " + ada},
		{"invalid", "messages --since May " + ada},
		{"--from is missing", "post"},
		{"--to, --group or --members", "post --message x --from " + ada},
		{"--to: ", "post --message x --to bob --from " + ada},
		{"--message is missing", "post --to " + bob + " --from " + ada},
		{"--created-at: ", "post --created-at now --message x --to " + bob + " --from " + ada},
		{"--message is for one", "post --file x --message y"},
		{"--sink is", "consume --sink pipe"},
		{"are for --sink webhook", "consume --webhook-url https://example.com"},
		{"--webhook-url is missing", "consume --sink webhook"},
		{"must be signed", "consume --sink webhook --webhook-url https://example.com"},
		{"--dedup is", "consume --dedup paper"},
		{"--until is", "canary --until lunch"},
		{"--every does nothing with --once", "canary --once --every 1m"},
		{"--addr does nothing with --once", "canary --once --addr :0"},
		{"option Every", "canary --every 1ms"},
		{"option Timeout", "canary --timeout 2h"},
		{"option Name", "canary --name a/b"},
		{"option TTL", "consume --dedup-ttl 1ms"},
		{"option DrainTimeout", "consume --drain-timeout -1s"},
		{"option Visibility", "consume --visibility 1ms"},
		{"--idle-after is", "project --idle-after -1s"},
		{"--on-data-loss is", "project --on-data-loss shrug"},
		{"--index is", "provision --index all"},
		{"must be KEY=VALUE", "redrive --filter " + bob},
		{"must be KEY=VALUE", "redrive --filter recipient="},
		{"must be recipient, message_group_uuid, id, reason, since or before", "redrive --filter colour=red"},
		{"not a canonical lower-case uuid", "redrive --filter recipient=BOB"},
		{"--filter since: ", "redrive --filter since=yesterday"},
		{"--filter id is given twice", "redrive --filter id=1 --filter id=2"},
		{"--max is -1", "redrive --max -1"},
		{"--rate is 0", "redrive --rate 0"},
		{"must be list, stop, resume, switch or drop", "rebuild swich"},
		{"--all, --group, --user and --shadow", "rebuild --all --shadow x"},
		{"--row-format does nothing without", "rebuild --all --row-format 2"},
		{"1 to 10 lower-case letters", "rebuild --shadow New"},
		{"1 to 10 lower-case letters", "rebuild switch a#b"},
		{"1 to 10 lower-case letters", "rebuild drop muchtoolong"},
		{"formats up to 2", "rebuild --shadow x --row-format 3"},
		{"no row format -1", "rebuild --shadow x --row-format -1"},
		{"--shadow: ", "verify --shadow A"},
		{"must be list, show, retry or drop", "quarantine lst"},
		{"must be message_group_uuid, id, reason, since or before", "quarantine list --filter recipient=" + bob},
		{"CONVERSATION/TIME/EVENT", "quarantine list --filter id=1"},
		{"--cursor: ", "quarantine list --cursor frob"},
		{"--cursor is of another list", "quarantine list --filter message_group_uuid=" + bob + " --cursor -/2026/e"},
		{"--limit and --cursor do nothing", "quarantine list --reasons --limit 3"},
		{"--limit is 0", "quarantine list --limit 0"},
		{"ID is missing", "quarantine show"},
		{"CONVERSATION/TIME/EVENT", "quarantine show " + bob},
		{"CONVERSATION/TIME/EVENT", "quarantine show ADA/2026-05-21T10:30:00Z/e"},
		{"--count is -2", "quarantine drop --count -2"},
		{"--rate is 10001", "quarantine drop --rate 10001"},
		{"--group: ", "verify --group ADA"},
		{"--user: ", "verify --user ADA"},
		{"exclude each other", "verify --group " + ada + " --sample 1%"},
		{"exclude each other", "verify --group " + ada + " --user " + ada},
		{"--sample is", "verify --sample all"},
		{"--sample is", "verify --sample 0%"},
		{"--sample is", "verify --sample 101%"},
		{"--sample is", "verify --sample NaN"},
		{"--seed does nothing", "verify --seed 1"},
		{"dev runs on", "dev --backend aws"},
		{"--addr is", "health --addr 8080"},
		{"--addr is", "health --addr localhost:"},
		{"invalid port", "health --addr localhost:http"},
		{"unexpected argument", "health localhost:8080"},
	} {
		if strings.HasPrefix(c.args, "messages --") && c.want == "invalid" {
			s.ok("provision")
		}
		r := s.run(strings.Fields(c.args)...)
		if r.code != exitUsage || !strings.Contains(r.stderr, c.want) || r.stdout != "" {
			t.Errorf("postroom %s: %+v, want %q", c.args, r, c.want)
		}
		if !strings.Contains(r.stderr, "See: postroom") {
			t.Errorf("postroom %s does not say where to look: %s", c.args, r.stderr)
		}
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.env["POSTROOM_DATA"] = s.path("other.db")
	s.env["POSTROOM_TABLE"] = "mail"
	s.env["POSTROOM_JSON"] = "true"
	if out := s.ok("provision"); !strings.Contains(out, `"table mail"`) {
		t.Errorf("provision printed %s", out)
	}
	// A flag wins.
	if out := s.ok("provision", "--table", "post", "--json=false"); !strings.Contains(out, "created  table post\n") {
		t.Errorf("provision printed %s", out)
	}
	s.env["POSTROOM_ADDR"] = "nowhere"
	if r := s.run("health"); r.code != exitUsage || !strings.Contains(r.stderr, `"nowhere"`) {
		t.Errorf("bad address by a variable: %+v", r)
	}
	s.env["POSTROOM_JSON"] = "perhaps"
	if r := s.run("status"); r.code != exitUsage || !strings.Contains(r.stderr, "POSTROOM_JSON") {
		t.Errorf("bad variable: %+v", r)
	}
	// Disturbs neither the local backend nor commands without an HTTP server.
	s.env = map[string]string{"POSTROOM_ENDPOINT_URL": "http://127.0.0.1:9", "POSTROOM_ADDR": "nowhere"}
	s.ok("provision")
}

func TestHelp(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	for _, args := range [][]string{{}, {"--help"}, {"help", "post"}, {"dev", "--help"}} {
		if out := s.ok(args...); !strings.Contains(out, "Usage:") {
			t.Errorf("postroom %v printed %s", args, out)
		}
	}
}
