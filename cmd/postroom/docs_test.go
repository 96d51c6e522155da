package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// mdPages are all pages of the repository, by name.
func mdPages(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, pattern := range []string{"../../*.md", "../../docs/*.md", "../../docs/decisions/*.md"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatal(pattern, err)
		}
		for _, name := range names {
			all[name] = readText(t, name)
		}
	}
	return all
}

// TestPagesKnowTheCommands: each command of ours on any page exists, and so does each of
// its flags. Those of the operations guide are run.
func TestPagesKnowTheCommands(t *testing.T) {
	t.Parallel()
	line := regexp.MustCompile("(?m)(?:`|^ *(?:\\./)?)postroom ([a-z][^`\n]*)")
	found := 0
	for name, text := range mdPages(t) {
		for _, m := range line.FindAllStringSubmatch(text, -1) {
			words := strings.Fields(m[1])
			cmd, _, err := newRoot(process{}).Find(words)
			if err != nil || !cmd.HasParent() {
				t.Errorf("%s: there is no command postroom %s", name, m[1])
				continue
			}
			found++
			for _, word := range words {
				flag, ok := strings.CutPrefix(word, "--")
				flag, _, _ = strings.Cut(flag, "=")
				if ok && !hasFlag(cmd, strings.TrimRight(flag, ".,;:)|]")) {
					t.Errorf("%s: postroom %s has no %s", name, cmd.Name(), word)
				}
			}
		}
	}
	if found < 50 {
		t.Errorf("only %d commands were found", found)
	}
}

func hasFlag(cmd *cobra.Command, name string) bool {
	for _, flags := range []*pflag.FlagSet{cmd.Flags(), cmd.InheritedFlags()} {
		if name == "help" || flags.Lookup(name) != nil {
			return true
		}
	}
	return false
}

// TestPagesKnowTheTests: what pages say to measure with is there: the targets of make, and
// tests and benchmarks by their names.
func TestPagesKnowTheTests(t *testing.T) {
	t.Parallel()
	makefile := readText(t, "../../Makefile")
	targets := regexp.MustCompile("(?m)(?:`|^ {4})make ([a-z-]+)")
	tests := regexp.MustCompile(`go test ([^\x60\n#]+)`)
	for name, text := range mdPages(t) {
		for _, m := range targets.FindAllStringSubmatch(text, -1) {
			if !regexp.MustCompile(`(?m)^` + m[1] + `:`).MatchString(makefile) {
				t.Errorf("%s: there is no make %s", name, m[1])
			}
		}
		for _, m := range tests.FindAllStringSubmatch(text, -1) {
			words := strings.Fields(m[1])
			for i, word := range words[:len(words)-1] {
				kind := map[string]string{"-run": "(Test|Fuzz|Example)", "-bench": "Benchmark"}[word]
				pattern := strings.Trim(words[i+1], "'^$")
				if kind == "" || pattern == "-" || pattern == "none" {
					continue
				}
				dir := words[slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(w, "./") })]
				if !declares(t, "../../"+dir, kind, pattern) {
					t.Errorf("%s: go test %s: no such test", name, m[1])
				}
			}
		}
	}
}

// declares reports whether a test of a folder has a name that a pattern of go test
// matches.
func declares(t *testing.T, dir, kind, pattern string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	matching := regexp.MustCompile(pattern)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func (`+kind+`\w+)\(`).FindAllStringSubmatch(string(text), -1) {
			if matching.MatchString(m[1]) {
				return true
			}
		}
	}
	return false
}

// TestPagesLead: what pages link to within the repository is there, headings included.
func TestPagesLead(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	headings := map[string][]string{} // by page
	for name, text := range mdPages(t) {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			file, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(file, "://") {
				continue
			}
			target := name
			if file != "" {
				target = filepath.Join(filepath.Dir(name), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: there is no %s", name, m[1])
				continue
			}
			if anchor != "" && headings[target] == nil {
				headings[target] = anchors(readText(t, target))
			}
			if anchor != "" && !slices.Contains(headings[target], anchor) {
				t.Errorf("%s: %s has no heading #%s", name, target, anchor)
			}
		}
	}
}

// anchors are those that GitHub gives to the headings of a page.
func anchors(text string) (all []string) {
	plainly := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		plain := plainly.ReplaceAllString(strings.ToLower(m[1]), "")
		all = append(all, strings.ReplaceAll(plain, " ", "-"))
	}
	return all
}
