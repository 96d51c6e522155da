package main

import (
	"strings"
	"testing"
)

// TestF9NamesOfTablesAndQueues: a URL or an ARN is told as what it is, with the name to
// give instead, before anything is opened.
func TestF9NamesOfTablesAndQueues(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ flag, value, says string }{
		{"queue", "https://sqs.eu-west-1.amazonaws.com/123456789012/mail.fifo", "--queue: it is a URL, and must be a name: give mail.fifo (its region, eu-west-1, is that of --region"},
		{"queue", "http://localhost:4566/000000000000/mail", "--queue: it is a URL, and must be a name: give mail\n"},
		{"queue", "arn:aws:sqs:eu-west-1:123456789012:mail.fifo", "--queue: it is an ARN, and must be a name: give mail.fifo (its region, eu-west-1,"},
		{"queue", "mail.fifo ", `--queue: "mail.fifo " is not the name of a queue`},
		{"queue", "mail\n", `--queue: "mail\n" is not the name of a queue`},
		{"queue", "mail.fifo.old", "is not the name of a queue"},
		{"queue", "", `"" is not the name of a queue`},
		{"queue", strings.Repeat("q", 77), "is not the name of a queue"},
		{"queue", "https://", "--queue: it is a URL, and must be the name of a queue"},
		{"table", "arn:aws:dynamodb:eu-west-1:123456789012:table/mail", "--table: it is an ARN, and must be a name: give mail (its region, eu-west-1,"},
		{"table", "arn:aws:dynamodb:eu-west-1:123456789012:table/mail/stream/2026", "--table: it is an ARN, and must be the name of a table"},
		{"table", "my mail", `--table: "my mail" is not the name of a table`},
		{"table", "ab", `--table: "ab" is not the name of a table`},
		{"table", strings.Repeat("t", 248), "is not the name of a table"},
	} {
		s := newShell(t)
		r := s.run("status", "--"+c.flag, c.value)
		if r.code != exitUsage || !strings.Contains(r.stderr, c.says) || r.stdout != "" {
			t.Errorf("--%s %.90q: %+v, want %q", c.flag, c.value, r, c.says)
		}
		s.env["POSTROOM_"+strings.ToUpper(c.flag)] = c.value
		variable := strings.Replace(c.says, "--"+c.flag, "POSTROOM_"+strings.ToUpper(c.flag), 1)
		if r := s.run("status"); c.value != "" && (r.code != exitUsage || !strings.Contains(r.stderr, variable)) {
			t.Errorf("as a variable, %.90q: %+v, want %q", c.value, r, variable)
		}
	}
	s := newShell(t)
	s.ok("provision", "--table", "M_a.i-l", "--queue", strings.Repeat("q", 71)+".fifo")
}

// TestF9WrongConfiguration is wrong usage, and the error names the flag or the variable
// that the value came from. It sets the environment, and so does not run beside others.
func TestF9WrongConfiguration(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		ours map[string]string // POSTROOM_… variables
		env  map[string]string
		says string
	}{
		"a flag":             {args: []string{"--region", "eu west"}, says: `postroom: --region: "eu west" is not a region`},
		"its variable":       {ours: map[string]string{"POSTROOM_REGION": "eu west"}, says: `postroom: POSTROOM_REGION: "eu west" is not a region`},
		"AWS's variable":     {env: map[string]string{"AWS_REGION": "eu west"}, says: `postroom: AWS_REGION: "eu west" is not a region`},
		"an endpoint":        {args: []string{"--endpoint-url", "localhost:8000"}, says: "postroom: --endpoint-url: it has no scheme"},
		"its variable too":   {ours: map[string]string{"POSTROOM_ENDPOINT_URL": "localhost"}, says: "postroom: POSTROOM_ENDPOINT_URL: it has no scheme"},
		"one service's":      {env: map[string]string{"AWS_ENDPOINT_URL_SQS": "http://a b"}, says: "postroom: AWS_ENDPOINT_URL_SQS: there is a blank"},
		"a key with newline": {env: map[string]string{"AWS_SECRET_ACCESS_KEY": "secret\n"}, says: "postroom: AWS_SECRET_ACCESS_KEY: character 7 of 7"},
		"half a pair":        {env: map[string]string{"AWS_ACCESS_KEY_ID": ""}, says: "postroom: AWS_ACCESS_KEY_ID: it is missing"},
		"no such profile":    {env: map[string]string{"AWS_PROFILE": "nobody"}, says: `postroom: AWS_PROFILE: there is no profile "nobody"`},
	} {
		t.Run(name, func(t *testing.T) {
			for variable, value := range c.env {
				t.Setenv(variable, value)
			}
			for _, command := range []string{"status", "provision", "project", "consume"} {
				s := newShell(t)
				s.env = c.ours
				r := s.run(append([]string{command, "--backend", "aws"}, c.args...)...)
				if r.code != exitUsage || !strings.Contains(r.stderr, c.says) || r.stdout != "" || strings.Contains(r.stderr, "network") {
					t.Errorf("%s: %+v, want %q", command, r, c.says)
				}
			}
		})
	}
}
