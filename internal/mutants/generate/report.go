package main

import (
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"text/tabwriter"
)

// report writes what share of the mutants lived, package by package.
func report(out io.Writer, results []result) {
	count := map[string]*[3]int{}
	for _, r := range results {
		for _, name := range []string{filepath.Dir(r.mutant.file.path), "in all"} {
			if count[name] == nil {
				count[name] = &[3]int{}
			}
			count[name][r.verdict]++
		}
	}
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(count)), func(s string) bool { return s == "in all" })
	if len(results) > 0 {
		names = append(names, "in all")
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(w, "package\tmutants\tcaught\tsurvived\tnot executed\tshare that lived\t")
	for _, name := range names {
		n := count[name]
		sum := n[caught] + n[survived] + n[unexecuted]
		_, _ = fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%.1f %%\t\n", name, sum, n[caught], n[survived], n[unexecuted],
			100*float64(sum-n[caught])/float64(sum))
	}
	_ = w.Flush()
}
