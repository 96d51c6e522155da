package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
)

type options struct {
	root     string
	packages []string // that are changed
	tests    []string // packages whose tests are run
	seed     string
	n        int
	only     *regexp.Regexp // if not nil, all mutants whose line matches it
	seeds    int            // of the simulation
	procs    int
}

// A result is a mutant and what became of it.
type result struct {
	mutant  *mutant
	verdict verdict
	by      string // the test that caught it
}

func run(ctx context.Context, o options, out io.Writer) error {
	pkgs, err := load(ctx, o.root, o.packages)
	if err != nil {
		return err
	}
	tests, err := suites(ctx, o.root, o.tests, pkgs)
	if err != nil {
		return err
	}
	drawn, dead := draw(pkgs, o)
	if _, err := fmt.Fprintf(out, "%d mutants drawn, %d more did not compile\n", len(drawn), dead); err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "generate")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	r := runner{options: o, folder: folder, suites: tests, out: out}
	if err := r.all(ctx, drawn); err != nil {
		return err
	}
	report(out, r.results)
	return nil
}

// draw chooses the mutants by the seed, and counts those that it came to and that do
// not compile.
func draw(pkgs []*pkg, o options) (drawn []*mutant, dead int) {
	var all []*mutant
	for _, p := range pkgs {
		for _, f := range p.files {
			all = append(all, find(f)...)
		}
	}
	rank := func(m *mutant) string {
		sum := sha256.Sum256([]byte(o.seed + " " + m.id))
		return string(sum[:])
	}
	slices.SortFunc(all, func(a, b *mutant) int { return strings.Compare(rank(a), rank(b)) })
	for _, m := range all {
		switch {
		case o.only != nil && !o.only.MatchString(m.String()):
		case o.only == nil && len(drawn) == o.n:
			return drawn, dead
		case !m.viable():
			dead++
		default:
			drawn = append(drawn, m)
		}
	}
	return drawn, dead
}

// A runner tries mutants.
type runner struct {
	options

	folder  string
	suites  []suite
	mu      sync.Mutex // for the following two
	out     io.Writer
	results []result
}

// all tries every mutant that was drawn. Those that can be switched on and off share
// builds, which come first since they show which tests come to the others.
func (r *runner) all(ctx context.Context, drawn []*mutant) error {
	var shared, alone, probes []*mutant
	reached := map[string][]selection{}
	for _, m := range drawn {
		if !m.alone {
			shared = append(shared, m)
			continue
		}
		alone = append(alone, m)
		if m.statement != (span{}) {
			probes = append(probes, m.probe())
		} else {
			reached[m.id] = r.everything(m)
		}
	}
	for i, mutants := range builds(append(shared, probes...)) {
		b, err := newBuild(filepath.Join(r.folder, strconv.Itoa(i)), r.seeds, r.suites, mutants)
		if err != nil {
			return err
		}
		if err := b.record(ctx, r.procs, r.out); err != nil {
			return err
		}
		var on []*mutant
		for _, m := range mutants {
			reached[m.id] = selected(m, b.reached)
			if slices.Contains(shared, m) {
				on = append(on, m)
			}
		}
		if err := r.each(ctx, on, func(m *mutant) (verdict, string, error) {
			return b.try(ctx, m, reached[m.id])
		}); err != nil {
			return err
		}
	}
	return r.each(ctx, alone, func(m *mutant) (verdict, string, error) {
		folder := filepath.Join(r.folder, m.id)
		defer func() { _ = os.RemoveAll(folder) }()
		b, err := newBuild(folder, r.seeds, r.suites, []*mutant{m})
		if err != nil {
			return survived, "", err
		}
		return b.try(ctx, m, reached[m.id])
	})
}

// everything is all tests that depend on a mutant's package, its own ones first.
func (r *runner) everything(m *mutant) []selection {
	var own, others []selection
	for _, s := range r.suites {
		switch {
		case s.path == m.file.pkg.path:
			own = append(own, selection{suite: s})
		case s.deps[m.file.pkg.path]:
			others = append(others, selection{suite: s})
		}
	}
	return append(own, others...)
}

// each tries some of the mutants and writes a line for each.
func (r *runner) each(ctx context.Context, mutants []*mutant, try func(*mutant) (verdict, string, error)) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.procs)
	for _, m := range mutants {
		group.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			v, by, err := try(m)
			if err != nil {
				return fmt.Errorf("%s: %w", m, err)
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			r.results = append(r.results, result{m, v, by})
			_, err = fmt.Fprintln(r.out, m, "|", v, by)
			return err
		})
	}
	return group.Wait()
}
