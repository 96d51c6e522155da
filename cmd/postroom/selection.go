package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// selection are the flags of commands that do something with many records or dead
// letters: which of them, how many, and how fast.
type selection struct {
	filters []string
	dryRun  bool
	max     int // 0: no limit
	rate    int // a second
}

// maxRate bounds --rate.
const maxRate = 10_000

// flags adds the flags. Things are what is selected, done what is done with them.
func (s *selection) flags(cmd *cobra.Command, things, done string) {
	f := cmd.Flags()
	f.SortFlags = false
	f.StringArrayVar(&s.filters, "filter", nil, "KEY=VALUE that the "+things+" must match; may be given several times")
	f.BoolVar(&s.dryRun, "dry-run", false, fmt.Sprintf("print what would be %s, and change nothing", done))
	f.IntVar(&s.max, "max", 0, fmt.Sprintf("how many %s are %s at most (default: no limit)", things, done))
	f.IntVar(&s.rate, "rate", 100, fmt.Sprintf("how many %s are %s a second at most", things, done))
}

func (s *selection) check() error {
	switch {
	case s.max < 0:
		return usagef("--max is %d, must not be negative", s.max)
	case s.rate < 1 || s.rate > maxRate:
		return usagef("--rate is %d, must be 1 to %d", s.rate, maxRate)
	}
	return nil
}

// full reports whether n are as many as wanted.
func (s *selection) full(n int) bool { return s.max > 0 && n >= s.max }

// takes returns how long n take at the rate.
func (s *selection) takes(n int) time.Duration {
	return max(time.Second, time.Duration(n)*time.Second/time.Duration(s.rate)).Round(time.Second)
}

// parseFilters combines filters, each of one key, as parse understands them. Without any,
// everything matches.
func parseFilters[T any](texts []string, parse func(key, value string) (func(T) bool, error)) (func(T) bool, error) {
	var all []func(T) bool
	var keys []string
	for _, text := range texts {
		key, value, ok := strings.Cut(text, "=")
		if !ok || value == "" {
			return nil, usagef("--filter is %q, must be KEY=VALUE", text)
		}
		if slices.Contains(keys, key) {
			return nil, usagef("--filter %s is given twice; every filter must match", key)
		}
		f, err := parse(key, value)
		if err != nil {
			return nil, err
		}
		all, keys = append(all, f), append(keys, key)
	}
	return func(one T) bool {
		return !slices.ContainsFunc(all, func(f func(T) bool) bool { return !f(one) })
	}, nil
}
