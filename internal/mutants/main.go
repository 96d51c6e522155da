// Command mutants shows what the tests notice: it removes rules from the projector,
// the stream's reader, the consumer, the canary, the directory and the backend on AWS,
// one at a time, and expects that TestSimulation fails each time, or another test if
// the simulation would need too many seeds.
//
// Run it in the repository's root: go run ./internal/mutants [-seeds 1000] [-run name]
package main

import (
	"bytes"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/postroom/postroom/internal/mutants/rules"
)

func main() {
	seeds := flag.Int("seeds", 1000, "how many seeds may pass before a mutant counts as missed")
	only := flag.String("run", "", "only rules whose name matches this regular expression")
	flag.Parse()
	if err := run(*seeds, *only); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(seeds int, only string) error {
	name, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	tried := slices.DeleteFunc(slices.Clone(rules.All), func(r rules.Rule) bool { return !name.MatchString(r.Name) })
	overlay, apart, err := rules.Switched(tried, ".", dir)
	if err != nil {
		return err
	}
	together := newBuild(dir, overlay)
	if by, err := together.fails(rules.Rule{}, "projector", caughtBySeed, "-test.run", "TestSimulation", "-seeds", "20"); err != nil {
		return err
	} else if by != "" {
		return fmt.Errorf("with all rules in place the simulation fails at seed %s", by)
	}
	var missed atomic.Int64
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, r := range tried {
		group.Go(func() error {
			b := together
			if slices.Contains(apart, r) {
				own, err := os.MkdirTemp(dir, "")
				if err != nil {
					return err
				}
				overlay, err := r.Overlay(".", own)
				if err != nil {
					return err
				}
				b = newBuild(own, overlay)
			}
			by, err := b.try(r, seeds)
			if err != nil {
				return fmt.Errorf("%s: %w", r.Name, err)
			}
			if by == "" {
				missed.Add(1)
				by = "MISSED"
			}
			fmt.Printf("%-60s %s\n", r.Name, by)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if n := missed.Load(); n > 0 {
		return fmt.Errorf("%d of %d mutants were missed", n, len(tried))
	}
	fmt.Printf("all %d mutants were caught\n", len(tried))
	return nil
}

var (
	caughtBySeed = regexp.MustCompile(`-run TestSimulation -seed (\d+)`)
	caughtByTest = regexp.MustCompile(`(?m)^--- FAIL: (\S+)`)
	panics       = regexp.MustCompile(`(?m)^(panic: [^\[\n]+)`)
)

// build is the programs of tests that are made with one overlay.
type build struct {
	dir, overlay string

	mu       sync.Mutex
	programs map[string]func() (string, error) // by package
}

func newBuild(dir, overlay string) *build {
	return &build{dir: dir, overlay: overlay, programs: map[string]func() (string, error){}}
}

// program makes the tests of a package, once.
func (b *build) program(pkg string) (string, error) {
	b.mu.Lock()
	made := b.programs[pkg]
	if made == nil {
		made = sync.OnceValues(func() (string, error) { return compile(pkg, b.dir, b.overlay) })
		b.programs[pkg] = made
	}
	b.mu.Unlock()
	return made()
}

// try returns what catches the mutant: a seed of the simulation, or else a test of its
// package, or of the package that one is within; "" if nothing does.
func (b *build) try(r rules.Rule, seeds int) (string, error) {
	which := []string{"-test.run", r.Tests}
	if r.Tests == "" {
		seed, err := b.fails(r, "projector", caughtBySeed, "-test.run", "TestSimulation", "-seeds", fmt.Sprint(seeds))
		if seed != "" || err != nil {
			return "simulation: " + seed, err
		}
		which = []string{"-test.skip", "TestSimulation"}
	}
	pkg := filepath.Dir(r.File)
	outer, _, _ := strings.Cut(pkg, "/")
	for _, pkg := range slices.Compact([]string{pkg, outer}) {
		has, err := hasTests(pkg, r.Tests)
		if err != nil {
			return "", err
		}
		if !has {
			continue
		}
		if by, err := b.fails(r, pkg, caughtByTest, which...); by != "" || err != nil {
			return by, err
		}
	}
	return "", nil
}

// hasTests reports whether a package has tests whose names match.
func hasTests(pkg, names string) (bool, error) {
	wanted, err := regexp.Compile(`(?m)^func (?:` + cmp.Or(names, "Test") + ")")
	if err != nil {
		return false, err
	}
	files, err := filepath.Glob(filepath.Join(pkg, "*_test.go"))
	if err != nil {
		return false, err
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			return false, err
		}
		if wanted.Match(source) {
			return true, nil
		}
	}
	return false, nil
}

// compile builds a package's tests with the overlay.
func compile(pkg, dir, overlay string) (tests string, err error) {
	tests = filepath.Join(dir, strings.ReplaceAll(pkg, "/", "_")+".test")
	build := exec.Command("go", "test", "-c", "-ldflags=-s -w", "-o", tests, "-overlay", overlay, "./"+pkg)
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("does not compile: %w\n%s", err, out)
	}
	return tests, nil
}

// fails runs tests of a package without a rule. If they fail it returns what the
// expression finds in their output, "" if they pass.
func (b *build) fails(r rules.Rule, pkg string, says *regexp.Regexp, args ...string) (string, error) {
	tests, err := b.program(pkg)
	if err != nil {
		return "", err
	}
	test := exec.Command(tests, append(args, "-test.failfast", "-test.timeout", "1h")...)
	test.Dir, test.Env = pkg, append(os.Environ(), rules.Switch+"="+r.Name)
	out, err := test.CombinedOutput()
	var failed *exec.ExitError
	if err == nil {
		return "", nil
	} else if !errors.As(err, &failed) {
		return "", err
	}
	if bytes.Contains(out, []byte("panic: test timed out")) { // says more of the machine than of the tests
		return "", fmt.Errorf("the tests came to no end\n%s", out[:min(len(out), 2000)])
	}
	match := says.FindSubmatch(out)
	if match == nil {
		match = panics.FindSubmatch(out)
	}
	if match == nil {
		return "", fmt.Errorf("the tests failed without saying where: %w\n%s", err, out[:min(len(out), 2000)])
	}
	return string(match[1]), nil
}
