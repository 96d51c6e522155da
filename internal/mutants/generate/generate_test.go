package main

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestEveryMutantOfALamp: those that its test must notice are caught, and those that
// it cannot notice are told apart.
func TestEveryMutantOfALamp(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	lamp := []string{"./testdata/lamp"}
	if err := run(t.Context(), options{root: ".", packages: lamp, tests: lamp, seed: "1", n: 1000, procs: 2}, &out); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range regexp.MustCompile(`lamp.go:(\d+ .*)`).FindAllStringSubmatch(out.String(), -1) {
		got = append(got, strings.TrimSpace(m[1]))
	}
	slices.Sort(got)
	want := []string{
		"21 dropped: if l.on != on && l.switched < 3 | caught TestSwitch",
		"21 negated: l.on != on && l.switched < 3 | caught TestSwitch",
		"21 negated: l.switched < 3 | caught TestSwitch",
		"21 off by one: 3 → 3+1 | caught TestSwitch",
		"21 off by one: 3 → 3-1 | caught TestSwitch",
		"21 operator: l.on != on && → || l.switched < 3 | caught TestSwitch",
		"21 operator: l.on != → == on | caught TestSwitch",
		"21 operator: l.switched < → <= 3 | caught TestSwitch",
		"23 dropped: l.on = on | SURVIVED",
		"23 swapped: l.on = on ⇄ l.count() | SURVIVED",
		"24 dropped: l.count() | caught TestSwitch",
		"25 dropped: return nil | caught TestSwitch",
		"27 dropped: if l.switched == 3 | caught TestSwitch",
		"27 off by one: 3 → 3+1 | caught TestSwitch",
		"27 off by one: 3 → 3-1 | caught TestSwitch",
		"27 operator: l.switched == → != 3 | caught TestSwitch",
		"28 dropped: l.on = false | SURVIVED",
		"29 dropped: return ErrBroken | caught TestSwitch",
		"29 nil error: return ErrBroken | caught TestSwitch",
		"34 dropped: l.switched++ | caught TestSwitch",
		"38 dropped: l.count() | NOT EXECUTED",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mutants (-want +got):\n%s", diff)
	}
	for _, line := range []string{
		"21 mutants drawn, 1 more did not compile",
		"in all       21      17         3             1            19.0 %",
	} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("it does not say %q:\n%s", line, out.String())
		}
	}
}

// TestDrawnBySeed: the same mutants for the same seed, of which a larger draw has all.
func TestDrawnBySeed(t *testing.T) {
	t.Parallel()
	pkgs, err := load(t.Context(), ".", []string{"./testdata/lamp"})
	if err != nil {
		t.Fatal(err)
	}
	ids := func(seed string, n int) (all []string) {
		drawn, _ := draw(pkgs, options{seed: seed, n: n})
		for _, m := range drawn {
			all = append(all, m.id)
		}
		return all
	}
	small, large := ids("1", 5), ids("1", 10)
	if len(small) != 5 || len(large) != 10 || !slices.Equal(small, large[:5]) {
		t.Errorf("5 mutants are %q, 10 are %q", small, large)
	}
	if other := ids("2", 5); slices.Equal(small, other) {
		t.Errorf("seeds 1 and 2 draw the same: %q", small)
	}
}
