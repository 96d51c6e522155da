// Command mutants shows that the tests of the projector would notice: it takes
// rules out of the projector, one at a time, and expects TestSimulation to fail
// each time, or another test of the package where that needs too many seeds.
//
// Run it in the repository's root: go run ./internal/mutants [-seeds 1000]
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"

	"github.com/postroom/postroom/internal/mutants/rules"
)

func main() {
	seeds := flag.Int("seeds", 1000, "how many seeds may pass before a mutant counts as missed")
	flag.Parse()
	if err := run(*seeds); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(seeds int) error {
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	missed := 0
	for _, r := range rules.All {
		by, err := try(r, dir, seeds)
		if err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
		if by == "" {
			missed++
			by = "MISSED"
		}
		fmt.Printf("%-60s %s\n", r.Name, by)
	}
	if missed > 0 {
		return fmt.Errorf("%d of %d mutants were missed", missed, len(rules.All))
	}
	fmt.Printf("all %d mutants were caught\n", len(rules.All))
	return nil
}

var (
	caughtBySeed = regexp.MustCompile(`-run TestSimulation -seed (\d+)`)
	caughtByTest = regexp.MustCompile(`(?m)^--- FAIL: (\S+)`)
)

// try returns what catches the mutant, a seed of the simulation or else another
// test of the package; "" if nothing does.
func try(r rules.Rule, dir string, seeds int) (string, error) {
	overlay, err := r.Overlay(".", dir)
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "projector.test")
	build := exec.Command("go", "test", "-c", "-o", binary, "-overlay", overlay, "./projector")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("does not compile: %w\n%s", err, out)
	}
	seed, err := fails(binary, caughtBySeed, "-test.run", "TestSimulation", "-seeds", fmt.Sprint(seeds))
	if seed != "" || err != nil {
		return "seed " + seed, err
	}
	return fails(binary, caughtByTest, "-test.skip", "TestSimulation")
}

// fails runs tests and returns what the expression finds in what they say if
// they fail, "" if they pass.
func fails(binary string, says *regexp.Regexp, args ...string) (string, error) {
	test := exec.Command(binary, append(args, "-test.timeout", "10m")...)
	test.Dir = "projector"
	out, err := test.CombinedOutput()
	var failed *exec.ExitError
	if err == nil {
		return "", nil
	} else if !errors.As(err, &failed) {
		return "", err
	}
	match := says.FindSubmatch(out)
	if match == nil {
		return "", fmt.Errorf("the tests failed without saying where: %w\n%s", err, out[:min(len(out), 2000)])
	}
	return string(match[1]), nil
}
