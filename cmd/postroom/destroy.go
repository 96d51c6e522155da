package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/postroom/postroom/deploy"
)

func newDestroy(p process, g *global) *cobra.Command {
	var lift bool
	cmd := &cobra.Command{
		Use:   "destroy",
		Short: "Remove tables and queues, and everything in them",
		Long:  "Removes tables and queues, and everything in them. It removes nothing while a\ntable is protected against deletion, unless --lift-protection is given.",
		Args:  arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withApp(cmd.Context(), p, g, need{}, func(ctx context.Context, a *app) error {
				report, err := deploy.Destroy(ctx, a.backend, deploy.Options{
					Table: g.table, Queue: g.queue, LiftProtection: lift,
				})
				return a.printReport(report, err)
			})
		},
	}
	cmd.Flags().BoolVar(&lift, "lift-protection", false, "switch deletion protection off first, and remove protected tables too")
	return cmd
}
