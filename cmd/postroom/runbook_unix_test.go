//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// guides are the pages whose commands the tests run.
var guides = []string{"operations.md", "security.md", "cost.md"}

// section is the commands under one heading of a guide, in blocks that are marked "sh".
type section struct {
	guide, title string
	blocks       []block
}

// block is commands, and what they print: the block marked "text" that follows.
type block struct {
	commands []command
	prints   []string // … stands for anything
}

type command struct {
	line string
	code int // which "# exit code 3" at its end says
}

var (
	heading  = regexp.MustCompile(`^##+ (.*)$`)
	exitCode = regexp.MustCompile(`\s+# exit code (\d)\b.*$`)
	// endless are commands that run until they are stopped.
	endless = regexp.MustCompile(`^postroom (project|consume|canary|dev|status)\b`)
	ending  = regexp.MustCompile(`--until-idle|--once|^postroom status($| --(check|json))`)
)

// sections reads a guide.
func sections(t *testing.T, guide string) (all []section) {
	t.Helper()
	all = append(all, section{guide: guide})
	var b *block
	fence := ""
	for line := range strings.Lines(readText(t, "../../docs/"+guide)) {
		line = strings.TrimSpace(line)
		s := &all[len(all)-1]
		switch m := heading.FindStringSubmatch(line); {
		case fence == "" && m != nil:
			all = append(all, section{guide: guide, title: m[1]})
			b = nil
		case fence == "" && strings.HasPrefix(line, "```"):
			fence = line
			if fence == "```sh" {
				s.blocks = append(s.blocks, block{})
				b = &s.blocks[len(s.blocks)-1]
			}
		case line == "```":
			fence = ""
		case fence == "```sh":
			b.add(t, line)
		case fence == "```text" && b != nil:
			b.prints = append(b.prints, line)
		}
	}
	return slices.DeleteFunc(all, func(s section) bool { return len(s.blocks) == 0 })
}

func (b *block) add(t *testing.T, line string) {
	t.Helper()
	c := command{line: line}
	if m := exitCode.FindStringSubmatch(line); m != nil {
		c.line = strings.TrimSuffix(line, m[0])
		c.code, _ = strconv.Atoi(m[1])
	}
	if c.line != strings.TrimSpace(c.line) || c.line == "" {
		t.Errorf("%q: a line of a block of commands is one command", line)
	}
	b.commands = append(b.commands, c)
}

func (b block) has(line string) bool {
	return slices.ContainsFunc(b.commands, func(c command) bool { return c.line == line })
}

// needs skips a section where a program is not installed that it uses, which CI does not
// allow.
func (s section) needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		uses := slices.ContainsFunc(s.blocks, func(b block) bool {
			return slices.ContainsFunc(b.commands, func(c command) bool { return strings.Contains(c.line, program+" ") })
		})
		if _, err := exec.LookPath(program); err == nil || !uses {
			continue
		}
		if os.Getenv("POSTROOM_EMULATORS") == "required" {
			t.Fatalf("%s is not installed: .ci/run tools installs it", program)
		}
		t.Skipf("%s is not installed: .ci/run tools installs it", program)
	}
}

// TestRunbook runs the commands of the guides, section by section, in the state that the
// section's scenario makes: each ends with the exit code that the page says, and prints
// what the page shows.
func TestRunbook(t *testing.T) {
	t.Parallel()
	made := map[string]func(w *world){}
	for _, s := range scenarios() {
		made[s.heading] = s.makes
	}
	for _, guide := range guides {
		for _, s := range sections(t, guide) {
			scenario, ok := made[s.title]
			if !ok {
				t.Errorf("docs/%s: %q has commands, and no scenario", guide, s.title)
				continue
			}
			delete(made, s.title)
			t.Run(s.title, func(t *testing.T) {
				t.Parallel()
				s.needs(t, "curl", "sqlite3")
				w := newWorld(t)
				scenario(w)
				for _, b := range s.blocks {
					w.do(b)
				}
				for line := range w.before {
					if !slices.ContainsFunc(s.blocks, func(b block) bool { return b.has(line) }) {
						t.Errorf("%q is not on the page", line)
					}
				}
			})
		}
	}
	for title := range made {
		t.Errorf("no section %q has commands", title)
	}
}

// world is where the commands of a section run: a folder with a data file, and a shell.
type world struct {
	*shell

	// names is what stands for a name in capitals on the page, such as GROUP.
	names map[string]string
	// env is what the commands find beside the environment of the test.
	env []string
	// under is what the shell does before each command.
	under string
	// until is what an endless command prints before it is stopped; by default that is
	// anything.
	until map[string]string
	// before is what happens before a command: what the page says in words.
	before map[string]func()
}

func newWorld(t *testing.T) *world {
	w := &world{shell: newShell(t), names: map[string]string{}, until: map[string]string{}, before: map[string]func(){}}
	program := `#!/bin/sh
case " $* " in *" --until-idle "*) set -- "$@" --idle-after 100ms;; esac
` + asMain + "=1 exec " + os.Args[0] + ` "$@"` + "\n"
	if !filepath.IsAbs(os.Args[0]) {
		t.Fatal(os.Args[0])
	}
	if err := os.Mkdir(w.path("bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.path("bin/postroom"), []byte(program), 0o700); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	return w
}

// do runs a block and compares what it prints.
func (w *world) do(b block) {
	w.t.Helper()
	var printed strings.Builder
	for _, c := range b.commands {
		if prepare := w.before[c.line]; prepare != nil {
			prepare()
		}
		line := w.named(c.line)
		if strings.HasPrefix(line, "aws ") {
			if err := checkAWS(line); err != nil {
				w.t.Errorf("%s: %v", line, err)
			}
			continue
		}
		code, out := w.sh(line, w.until[c.line])
		if code != c.code {
			w.t.Errorf("%s: exit code %d, the page says %d:\n%s", line, code, c.code, out)
		}
		printed.WriteString(out)
	}
	for _, line := range b.prints {
		line = w.named(line)
		var parts []string
		for part := range strings.SplitSeq(line, "…") {
			var words []string
			for word := range strings.FieldsSeq(part) {
				words = append(words, regexp.QuoteMeta(word))
			}
			parts = append(parts, strings.Join(words, ` +`))
		}
		if !regexp.MustCompile(`(?m)^ *` + strings.Join(parts, `.*`) + ` *$`).MatchString(printed.String()) {
			w.t.Errorf("%q is not printed, but:\n%s", line, printed.String())
		}
	}
}

// named puts values for the names in a line of the page.
func (w *world) named(line string) string {
	for name, value := range w.names {
		line = regexp.MustCompile(`\b`+name+`\b`).ReplaceAllLiteralString(line, value)
	}
	return line
}

// sh runs a command line, and returns what it prints. One that does not end by itself is
// stopped, as SIGTERM does it, once it has printed something.
func (w *world) sh(line, until string) (code int, output string) {
	w.t.Helper()
	stops := endless.MatchString(line) && !ending.MatchString(line)
	if stops {
		line = "exec " + line
	}
	line = w.under + line
	ctx, cancel := context.WithTimeout(w.t.Context(), 2*time.Minute) // of a machine that is busy
	defer cancel()
	c := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", line)
	c.Dir = w.folder
	c.Env = append(os.Environ(), "PATH="+w.path("bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
	c.Env = append(c.Env, w.env...)
	out := &awaited{text: until}
	if stops {
		out.found = func() { _ = c.Process.Signal(syscall.SIGTERM) }
	}
	c.Stdout, c.Stderr = out, out
	err := c.Run()
	if failed := (*exec.ExitError)(nil); err != nil && !errors.As(err, &failed) {
		w.t.Fatalf("%s: %v", line, err)
	}
	return c.ProcessState.ExitCode(), out.String()
}

// awaited is what a process prints, and calls found once a text is in it.
type awaited struct {
	text  string
	found func()

	mu sync.Mutex
	b  bytes.Buffer
}

func (a *awaited) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	n, err := a.b.Write(p)
	if a.found != nil && strings.Contains(a.b.String(), a.text) {
		a.found()
		a.found = nil
	}
	return n, err
}

func (a *awaited) String() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.b.String()
}

// TestRunbookMentions: what the guides say in running text is a command that they run, or
// the beginning of one; and no command stands in a block that is not run.
func TestRunbookMentions(t *testing.T) {
	t.Parallel()
	var ran []string
	for _, guide := range guides {
		for _, s := range sections(t, guide) {
			for _, b := range s.blocks {
				for _, c := range b.commands {
					ran = append(ran, c.line)
				}
			}
		}
	}
	var names []string
	for _, c := range newRoot(process{}).Commands() {
		names = append(names, c.Name())
	}
	mention := regexp.MustCompile("`((?:postroom )?(?:" + strings.Join(names, "|") + ")\\b[^`]*|(?:aws|curl|sqlite3) [^`]*)`")
	indented := regexp.MustCompile(`(?m)^(    |\t)(postroom|aws|curl|sqlite3) .*$`)
	for _, guide := range guides {
		text := readText(t, "../../docs/"+guide)
		for _, m := range mention.FindAllStringSubmatch(text, -1) {
			said := strings.TrimSuffix(m[1], " …")
			if !strings.Contains(said, " ") {
				continue // a word
			}
			if word, _, _ := strings.Cut(said, " "); slices.Contains(names, word) {
				said = "postroom " + said
			}
			if !slices.ContainsFunc(ran, func(line string) bool { return begins(line, said) }) {
				t.Errorf("docs/%s: no block that is run has %s", guide, said)
			}
		}
		for _, m := range indented.FindAllString(text, -1) {
			t.Errorf("docs/%s: %s stands in a block that is not run: mark it with ```sh", guide, strings.TrimSpace(m))
		}
	}
}

// begins reports whether a command line begins with the words of another one and has its
// flags, in any order.
func begins(line, said string) bool {
	words, wanted := strings.Fields(line), strings.Fields(said)
	flags := slices.IndexFunc(wanted, func(word string) bool { return strings.HasPrefix(word, "-") })
	if flags < 0 {
		flags = len(wanted)
	}
	return len(words) >= flags && slices.Equal(words[:flags], wanted[:flags]) &&
		!slices.ContainsFunc(wanted[flags:], func(word string) bool { return !slices.Contains(words, word) })
}

// TestReadmeIsRun: all commands of the README are under headings that CI runs.
func TestReadmeIsRun(t *testing.T) {
	t.Parallel()
	runs := readText(t, "../../.ci/walkthrough") + readText(t, "../../.ci/compose")
	title := ""
	for line := range strings.Lines(readText(t, "../../README.md")) {
		if strings.HasPrefix(line, "## ") {
			title = strings.TrimSpace(line[3:])
		}
		if strings.HasPrefix(line, "```sh") && !strings.Contains(runs, title) {
			t.Errorf("no step of CI runs the commands of README.md under %q", title)
		}
	}
}

// checkAWS says what is wrong with a command line of AWS's own program, which is not run
// here: it speaks to AWS alone. Its flags are the fields of the SDK.
func checkAWS(line string) error {
	words := strings.Fields(line)
	inputs := map[string]reflect.Type{
		"dynamodb update-table": reflect.TypeFor[dynamodb.UpdateTableInput](),
	}
	if len(words) < 3 || inputs[words[1]+" "+words[2]] == nil {
		return errors.New("it is not among those that are known")
	}
	for _, word := range words[3:] {
		flag, ok := strings.CutPrefix(word, "--")
		if !ok {
			continue
		}
		var field strings.Builder
		for part := range strings.SplitSeq(flag, "-") {
			field.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
		if _, ok := inputs[words[1]+" "+words[2]].FieldByName(field.String()); !ok {
			return fmt.Errorf("there is no --%s", flag)
		}
	}
	return nil
}
