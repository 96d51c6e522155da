// Command generate makes mutants of the program without knowing its rules: it negates
// conditions, leaves statements out or swaps them, counts one too many or too few,
// takes and for or, goes on instead of stopping, returns no error, removes a case. It
// draws some of them by a seed and tells which of them no test notices. Each of these
// is a test that is missing, or code that is not needed, or changes nothing.
//
// Run it in the repository's root: go run ./internal/mutants/generate [-seed 1] [-n 200]
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"strings"
)

func main() {
	var o options
	flag.StringVar(&o.seed, "seed", "1", "draws the mutants; the same ones as long as their functions and their text stay")
	flag.IntVar(&o.n, "n", 200, "how many mutants")
	flag.IntVar(&o.seeds, "seeds", 200, "how many schedules the simulation tries with each")
	flag.IntVar(&o.procs, "procs", 2, "how many mutants are tried at once")
	only := flag.String("run", "", "instead of a draw, all mutants whose line, as it is printed, matches this regular expression")
	in := flag.String("in", "projector/...,stream/...,consumer/...,producer,inbox,backend/local", "the packages that are changed")
	tests := flag.String("tests", "", "the packages whose tests have to notice, where they import what is changed (default those of -in)")
	flag.Parse()
	o.root, o.packages, o.tests = ".", paths(*in), paths(cmp.Or(*tests, *in))
	if *only != "" {
		var err error
		if o.only, err = regexp.Compile(*only); err != nil {
			fmt.Fprintln(os.Stderr, "generate: -run:", err)
			os.Exit(2)
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, o, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

// paths makes patterns of packages of a list.
func paths(list string) []string {
	all := strings.Split(list, ",")
	for i, path := range all {
		all[i] = "./" + path
	}
	return all
}
