package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A verdict is what became of a mutant.
type verdict int

const (
	survived   verdict = iota // all tests passed
	unexecuted                // no test comes to it
	caught
)

func (v verdict) String() string {
	return [...]string{"SURVIVED", "NOT EXECUTED", "caught"}[v]
}

// A selection is tests of one package that a mutant is tried against.
type selection struct {
	suite suite
	tests []string // all if it is empty
	took  time.Duration
}

// selected returns the tests that come to a mutant: first those of its package, then
// the faster ones.
func selected(m *mutant, reached []reach) []selection {
	by := map[string]*selection{}
	for _, r := range reached {
		if !r.ids[m.id] || !r.suite.deps[m.file.pkg.path] {
			continue
		}
		s := by[r.suite.path]
		if s == nil {
			s = &selection{suite: r.suite}
			by[r.suite.path] = s
		}
		s.tests = append(s.tests, r.test)
		s.took += r.took
	}
	var all []selection
	for _, s := range by {
		all = append(all, *s)
	}
	slices.SortFunc(all, func(a, b selection) int {
		if own := a.suite.path == m.file.pkg.path; own != (b.suite.path == m.file.pkg.path) {
			if own {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.took, b.took)
	})
	return all
}

// try runs tests with a mutant switched on until one fails, and says which.
func (b *build) try(ctx context.Context, m *mutant, selections []selection) (verdict, string, error) {
	if len(selections) == 0 {
		return unexecuted, "", nil
	}
	for _, s := range selections {
		if err := b.compile(ctx, s.suite); err != nil {
			return survived, "", err
		}
		by, err := b.fails(ctx, m, s)
		if by != "" {
			return caught, by, nil
		} else if err != nil {
			return survived, "", err
		}
	}
	return survived, "", nil
}

var failed = regexp.MustCompile(`^\s*--- FAIL: (\S+)|^(panic: [^\[]+|fatal error: .*)`)

// fails runs tests and returns the first that fails, "" if all pass. It is also a
// failure to take longer than without the mutant, where they ran one by one.
func (b *build) fails(ctx context.Context, m *mutant, s selection) (string, error) {
	limited, cancel := context.WithTimeout(ctx, 30*time.Second+3*s.took/2)
	defer cancel()
	scratch, err := os.MkdirTemp(b.folder, "tmp")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	args := append([]string{"-test.failfast", "-test.timeout=0", "-test.run=" + pattern(s.tests)}, b.seedsOf(s.tests)...)
	cmd := b.command(limited, s.suite, []string{"MUTANT=" + m.id, "TMPDIR=" + scratch}, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	kill := func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Cancel = kill
	cmd.WaitDelay = time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		return "", err
	}
	by := ""
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 16<<20)
	for by == "" && lines.Scan() {
		if match := failed.FindStringSubmatch(lines.Text()); match != nil {
			by = strings.TrimSpace(match[1] + match[2])
			_ = kill()
		}
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case by != "":
		return by, nil
	case limited.Err() != nil:
		return "out of time", nil
	case errors.As(err, &exit):
		return fmt.Sprint("exit ", exit.ExitCode()), nil
	}
	return "", err
}

// pattern matches the tests of these names.
func pattern(tests []string) string {
	if len(tests) == 0 {
		return "."
	}
	quoted := make([]string, len(tests))
	for i, t := range tests {
		quoted[i] = regexp.QuoteMeta(t)
	}
	return "^(" + strings.Join(quoted, "|") + ")$"
}
