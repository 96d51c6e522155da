package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// A suite is the tests of a package, and on which packages they depend.
type suite struct {
	path, dir string
	deps      map[string]bool
	rapid     bool // it has flags of that package
}

// suites finds the tests of the packages, and of those that import one of them. The
// tests of a package also count as those of the packages within it that only they
// import.
func suites(ctx context.Context, root string, patterns []string, pkgs []*pkg) ([]suite, error) {
	all, err := list(ctx, root, patterns...)
	if err != nil {
		return nil, err
	}
	var found []suite
	for _, l := range all {
		imports := slices.Concat(l.TestImports, l.XTestImports)
		s := suite{
			path: l.ImportPath, dir: l.Dir, deps: map[string]bool{l.ImportPath: true},
			rapid: slices.Contains(imports, "pgregory.net/rapid"),
		}
		for _, d := range l.Deps {
			s.deps[d] = true
		}
		for _, d := range imports {
			if strings.HasPrefix(d, l.ImportPath+"/") {
				s.deps[d] = true
			}
		}
		changed := slices.ContainsFunc(pkgs, func(p *pkg) bool { return s.deps[p.path] })
		if changed && len(l.TestGoFiles)+len(l.XTestGoFiles) > 0 {
			found = append(found, s)
		}
	}
	return found, nil
}

// A build is programs of tests with some mutants in them.
type build struct {
	folder  string
	overlay string
	seeds   int
	suites  []suite
	reached []reach // unless the mutant is alone in the build
}

// reach says which mutants a test comes to, and how long it takes when none is on.
type reach struct {
	suite suite
	test  string
	ids   map[string]bool
	took  time.Duration
}

func newBuild(folder string, seeds int, suites []suite, mutants []*mutant) (*build, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	path, err := overlay(folder, mutants)
	return &build{folder: folder, overlay: path, seeds: seeds, suites: suites}, err
}

func (b *build) program(s suite) string {
	return filepath.Join(b.folder, strings.ReplaceAll(s.path, "/", "_")+".test")
}

// compile builds the tests of a package, unless they are there.
func (b *build) compile(ctx context.Context, s suite) error {
	if _, err := os.Stat(b.program(s)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", b.overlay, "-o", b.program(s), s.path)
	cmd.Dir = s.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s does not compile: %w\n%s", s.path, err, out)
	}
	return nil
}

// tests names the tests of a package.
func (b *build) tests(ctx context.Context, s suite) ([]string, error) {
	out, err := b.command(ctx, s, nil, "-test.list=.").Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.path, err)
	}
	return slices.DeleteFunc(strings.Fields(string(out)), func(s string) bool {
		return strings.HasPrefix(s, "Benchmark")
	}), nil
}

// command runs the tests of a package, which leave nothing behind in its folder.
func (b *build) command(ctx context.Context, s suite, env []string, args ...string) *exec.Cmd {
	if s.rapid {
		args = append(args, "-rapid.nofailfile")
	}
	cmd := exec.CommandContext(ctx, b.program(s), args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), env...)
	return cmd
}

// seedsOf asks for few of the simulation's schedules.
func (b *build) seedsOf(tests []string) []string {
	if !slices.Contains(tests, "TestSimulation") {
		return nil
	}
	return []string{"-seeds=" + strconv.Itoa(b.seeds)}
}

// record runs each test by itself, with no mutant switched on, and notes which
// mutants it comes to. One that fails then is named, and left out.
func (b *build) record(ctx context.Context, procs int, out io.Writer) error {
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(procs)
	for _, s := range b.suites {
		if err := b.compile(ctx, s); err != nil {
			return errors.Join(err, group.Wait())
		}
		tests, err := b.tests(ctx, s)
		if err != nil {
			return errors.Join(err, group.Wait())
		}
		for _, test := range tests {
			group.Go(func() error {
				r, err := b.reach(ctx, s, test)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					_, err = fmt.Fprintln(out, err)
					return errors.Join(err, ctx.Err())
				}
				b.reached = append(b.reached, r)
				return nil
			})
		}
	}
	return group.Wait()
}

func (b *build) reach(ctx context.Context, s suite, test string) (reach, error) {
	r := reach{suite: s, test: test, ids: map[string]bool{}}
	seen := b.program(s) + "." + test + ".reached"
	began := time.Now()
	args := append([]string{"-test.run=" + pattern([]string{test}), "-test.timeout=10m"}, b.seedsOf([]string{test})...)
	out, err := b.command(ctx, s, []string{"MUTANTS_REACHED=" + seen}, args...).CombinedOutput()
	r.took = time.Since(began)
	if err != nil {
		return r, fmt.Errorf("%s: %s fails without a mutant: %w\n%s", s.path, test, err, out)
	}
	ids, err := os.ReadFile(seen)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return r, err
	}
	for id := range bytes.FieldsSeq(ids) {
		r.ids[string(id)] = true
	}
	return r, nil
}
