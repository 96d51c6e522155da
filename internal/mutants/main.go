// Command mutants shows what the tests notice: it removes rules from the projector,
// the stream's reader, the consumer and the backend on AWS, one at a time, and expects
// that TestSimulation fails each time, or another test if the simulation would need
// too many seeds.
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
	"strconv"
	"strings"
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
	var tried, missed atomic.Int64
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0)) // compiling and linking use one processor most of the time
	for i, r := range rules.All {
		if !name.MatchString(r.Name) {
			continue
		}
		tried.Add(1)
		group.Go(func() error {
			own := filepath.Join(dir, strconv.Itoa(i))
			if err := os.Mkdir(own, 0o700); err != nil {
				return err
			}
			by, err := try(r, own, seeds)
			if err != nil {
				return fmt.Errorf("%s: %w", r.Name, err)
			}
			if by == "" {
				missed.Add(1)
				by = "MISSED"
			}
			fmt.Printf("%-60s %s\n", r.Name, by)
			return os.RemoveAll(own)
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if n := missed.Load(); n > 0 {
		return fmt.Errorf("%d of %d mutants were missed", n, tried.Load())
	}
	fmt.Printf("all %d mutants were caught\n", tried.Load())
	return nil
}

var (
	caughtBySeed = regexp.MustCompile(`-run TestSimulation -seed (\d+)`)
	caughtByTest = regexp.MustCompile(`(?m)^--- FAIL: (\S+)`)
	panics       = regexp.MustCompile(`(?m)^(panic: [^\[\n]+)`)
)

// try returns what catches the mutant: a seed of the simulation, or else a test of its
// package, or of the package that one is within; "" if nothing does.
func try(r rules.Rule, dir string, seeds int) (string, error) {
	overlay, err := r.Overlay(".", dir)
	if err != nil {
		return "", err
	}
	which := []string{"-test.run", r.Tests}
	if r.Tests == "" {
		simulation, err := compile("projector", dir, overlay)
		if err != nil {
			return "", err
		}
		seed, err := fails(simulation, "projector", caughtBySeed, "-test.run", "TestSimulation", "-seeds", fmt.Sprint(seeds))
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
		tests, err := compile(pkg, dir, overlay)
		if err != nil {
			return "", err
		}
		if by, err := fails(tests, pkg, caughtByTest, which...); by != "" || err != nil {
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
	tests = filepath.Join(dir, filepath.Base(pkg)+".test")
	build := exec.Command("go", "test", "-c", "-ldflags=-s -w", "-o", tests, "-overlay", overlay, "./"+pkg)
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("does not compile: %w\n%s", err, out)
	}
	return tests, nil
}

// fails runs tests of a package. If they fail it returns what the expression finds in
// their output, "" if they pass.
func fails(tests, pkg string, says *regexp.Regexp, args ...string) (string, error) {
	test := exec.Command(tests, append(args, "-test.failfast", "-test.timeout", "1h")...)
	test.Dir = pkg
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
