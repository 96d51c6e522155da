package main

import (
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/postroom/postroom/projector/quarantine"
)

// maxChosen bounds how many records one command works on: it remembers them, in about
// 40 MB.
const maxChosen = 1_000_000

// chosen is the records that a command has counted. What it does, it does to these and to
// no others: neither to those that are quarantined meanwhile nor to those that change.
type chosen struct {
	reasons
	filter *recordFilter
	marks  map[[16]byte]struct{}
}

// markOf tells a record from another, and from itself after it was tried again.
func markOf(s *quarantine.Stored) [16]byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %d %q", s.ID, s.Attempts, s.Reason))
	return [16]byte(sum[:16])
}

// choose reads the quarantine and counts the records that match, up to the most that are
// wanted. It prints each in a dry run.
func (a *app) choose(ctx context.Context, f *recordFilter, sel selection, dry func(*quarantine.Stored) error) (*chosen, error) {
	c := &chosen{filter: f, marks: map[[16]byte]struct{}{}}
	err := f.each(ctx, a, func(s *quarantine.Stored) (bool, error) {
		if c.records == maxChosen {
			return false, fmt.Errorf("more than %s records match: choose fewer with --filter or --max", count(maxChosen))
		}
		c.add(s)
		if sel.dryRun {
			return !sel.full(c.records), dry(s)
		}
		c.marks[markOf(s)] = struct{}{}
		return !sel.full(c.records), nil
	})
	f.warn(a)
	return c, err
}

// each calls do for each of the chosen records that is still as it was counted.
func (c *chosen) each(ctx context.Context, a *app, do func(*quarantine.Stored) error) error {
	left := len(c.marks)
	return c.filter.each(ctx, a, func(s *quarantine.Stored) (bool, error) {
		mark := markOf(s)
		if _, ok := c.marks[mark]; !ok {
			return left > 0, nil
		}
		left--
		delete(c.marks, mark)
		return left > 0, do(s)
	})
}

// announce says how many records there are, and of which reasons, before anything is
// done.
func (a *app) announce(c *chosen, format string, args ...any) error {
	if c.records > 0 {
		if err := c.print(a.stderr, maxAnnounced); err != nil {
			return err
		}
	}
	return printText(a.stderr, format, args...)
}

// maxAnnounced is how many reasons are named before something begins.
const maxAnnounced = 10
