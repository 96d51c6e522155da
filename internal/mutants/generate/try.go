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
// failure not to end. What that means is measured anew in the moment that counts,
// since the machine may have more to do by now.
func (b *build) fails(ctx context.Context, m *mutant, s selection) (string, error) {
	limit := patience(s.took)
	by, over, err := b.run(ctx, m.id, s, limit)
	if !over {
		return by, err
	}
	if limit *= 4; !m.alone { // one that is alone cannot be switched off
		began := time.Now()
		if by, over, err = b.run(ctx, "", s, 5*limit); by != "" || over || err != nil {
			return "", errors.Join(fmt.Errorf("the tests of %s fail without the mutant by now: %s", s.suite.path, by), err)
		}
		limit = patience(time.Since(began))
	}
	if by, over, err = b.run(ctx, m.id, s, limit); over {
		by = "out of time"
	}
	return by, err
}

// patience is how long to wait for tests that take some time without a mutant.
func patience(took time.Duration) time.Duration { return 20*time.Second + 3*took/2 }

// run runs tests with a mutant switched on until one fails, or the time is over.
func (b *build) run(ctx context.Context, id string, s selection, limit time.Duration) (by string, over bool, err error) {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	scratch, err := os.MkdirTemp(b.folder, "tmp")
	if err != nil {
		return "", false, err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	args := append([]string{"-test.failfast", "-test.timeout=0", "-test.run=" + pattern(s.tests)}, b.seedsOf(s.tests)...)
	cmd := b.command(limited, s.suite, []string{"MUTANT=" + id, "TMPDIR=" + scratch}, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	kill := func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Cancel, cmd.WaitDelay = kill, time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", false, err
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		return "", false, err
	}
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
		return "", false, ctx.Err()
	case by != "":
		return by, false, nil
	case limited.Err() != nil:
		return "", true, nil
	case errors.As(err, &exit):
		return fmt.Sprint("exit ", exit.ExitCode()), false, nil
	}
	return "", false, err
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
