package main

import (
	"testing"

	"github.com/postroom/postroom"
)

func TestOneLine(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain":                    "plain",
		"two\nlines\tand":          "two lines and",
		"\x1b[31mred\x1b[0m":       "\uFFFD[31mred\uFFFD[0m",
		"a right-to-left \u202e":   "a right-to-left \uFFFD",
		"twenty characters …!!":    "twenty characters …!!",
		"one more than twenty-one": "one more than twenty…",
	} {
		if got := oneLine(in, 21); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func TestCount(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 80253: "80,253", 1_000_007: "1,000,007"} {
		if got := count(n); got != want {
			t.Errorf("%d became %s, want %s", n, got, want)
		}
	}
}

func TestQuote(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "''", "postroom.db": "postroom.db", "/a/b-c_d.db": "/a/b-c_d.db", "my data.db": "'my data.db'",
		"it's": `'it'\''s'`, "$HOME": "'$HOME'", "@{k}lubby": "'@{k}lubby'", "Grüße": "Grüße",
	} {
		if got := quote(in); got != want {
			t.Errorf("%q became %s, want %s", in, got, want)
		}
	}
	if got := quoteName(" --name ", "bell\a"); got != "" {
		t.Errorf("a name with a control character became %q", got)
	}
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	a := app{process: process{command: "go run ./cmd/postroom"}, global: &global{
		data: defaultData, table: defaultTable, queue: defaultQueue,
	}}
	if got := a.commandLine(); got != "go run ./cmd/postroom" {
		t.Errorf("with the defaults: %s", got)
	}
	a.data, a.global.table = "my data.db", "mail"
	if got := a.commandLine(); got != "go run ./cmd/postroom --data 'my data.db' --table mail" {
		t.Errorf("with settings: %s", got)
	}
}

func TestReachable(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"[::]:80": "localhost:80", "0.0.0.0:81": "localhost:81", "127.0.0.1:82": "127.0.0.1:82",
		":83": "localhost:83", "[::1]:84": "[::1]:84", "mail:85": "mail:85",
	} {
		if got := reachable(in); got != want {
			t.Errorf("%s became %s, want %s", in, got, want)
		}
	}
}

func TestSuggestedExampleIsValid(t *testing.T) {
	t.Parallel()
	for _, id := range []string{exampleFrom, exampleTo} {
		if err := postroom.CheckUUID(id); err != nil {
			t.Error(err)
		}
	}
}
