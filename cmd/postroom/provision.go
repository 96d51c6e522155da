package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/postroom/postroom/deploy"
)

func newProvision(p process, g *global) *cobra.Command {
	var index string
	var protect bool
	cmd := &cobra.Command{
		Use:   "provision",
		Short: "Create the tables, index, stream and queues that are missing",
		Args:  arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if index != "keys-only" && index != "none" {
				return usagef("--index is %q, must be keys-only or none", index)
			}
			opts := deploy.Options{
				Table: g.table, Queue: g.queue, Index: index != "none",
				DeletionProtection: protect && (g.backend == "aws" || cmd.Flags().Changed("deletion-protection")),
			}
			return withApp(cmd.Context(), p, g, need{file: true}, func(ctx context.Context, a *app) error {
				report, err := deploy.Provision(ctx, a.backend, opts)
				return a.printReport(report, err)
			})
		},
	}
	cmd.Flags().StringVar(&index, "index", "keys-only", "index of group items by conversation: keys-only or none")
	cmd.Flags().BoolVar(&protect, "deletion-protection", true, "protect new tables against deletion; on the local backend only if given")
	return cmd
}

// printReport prints what was done, also if it ended in an error.
func (a *app) printReport(r deploy.Report, err error) error {
	for _, w := range r.Warnings {
		fmt.Fprintf(a.stderr, "warning: %s\n", w)
	}
	if a.json {
		if err != nil {
			return err
		}
		return printJSON(a.stdout, r)
	}
	for _, part := range []struct {
		did  string
		what []string
	}{{"created", r.Created}, {"exists", r.Existing}, {"changed", r.Changed}, {"removed", r.Removed}, {"missing", r.Missing}} {
		for _, what := range part.what {
			if _, failed := fmt.Fprintf(a.stdout, "%-8s %s\n", part.did, what); failed != nil {
				return errors.Join(err, failed)
			}
		}
	}
	return err
}
