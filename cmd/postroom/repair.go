package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/canary"
	"github.com/postroom/postroom/consumer/dedup"
	"github.com/postroom/postroom/internal/batch"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/internal/views"
	"github.com/postroom/postroom/projector/backfill"
	"github.com/postroom/postroom/projector/quarantine"
	"github.com/postroom/postroom/projector/rebuild"
	"github.com/postroom/postroom/projector/replay"
	"github.com/postroom/postroom/stream"
)

func newRepair(p process, g *global) *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "repair",
		Short: "Repair damaged items of the control table",
		Long: `Looks at every item of the control table, and at the one that names the table's views,
and repairs those that are damaged, which status lists: it replaces each by one that
loses nothing, or deletes it. Prints the item as it was, and what follows. With --dry-run
nothing is changed. Projectors and consumers may run meanwhile, and go on by themselves.`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withApp(cmd.Context(), p, g, need{}, func(ctx context.Context, a *app) error {
				return a.repair(ctx, dryRun)
			})
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "print what would be repaired, and change nothing")
	return cmd
}

// repairJSON is a damaged item that is repaired.
type repairJSON struct {
	PK     string          `json:"pk"`
	SK     string          `json:"sk"`
	Error  string          `json:"error"`
	Item   json.RawMessage `json:"item"` // as it was
	Delete bool            `json:"delete"`
	Effect string          `json:"effect"`
}

func (a *app) repair(ctx context.Context, dryRun bool) error {
	s, err := a.streamStatus(ctx)
	if err != nil {
		return err
	}
	if err := s.Doubt(ctx, a.backend.Stream(a.global.table)); err != nil {
		return err
	}
	control, n := batch.NewTable(a.control()), 0
	for it, err := range control.Scan(ctx, backend.Scan{Consistent: true}) {
		if err != nil {
			return err
		}
		m, err := repairOf(it, s, time.Now())
		if err != nil {
			return err
		}
		if m == nil {
			continue
		}
		n++
		if err := a.repairOne(ctx, control, it, m, dryRun); err != nil {
			return err
		}
	}
	views, err := a.repairViews(ctx, dryRun)
	if n += views; err != nil || a.json {
		return err
	}
	what := "repaired"
	if dryRun {
		what = "would be repaired"
	}
	_, err = fmt.Fprintf(a.stdout, "%s damaged items %s.\n", count(n), what)
	return err
}

// repairViews repairs the item of the table that names its views, and returns how many
// damaged ones there were.
func (a *app) repairViews(ctx context.Context, dryRun bool) (int, error) {
	table := batch.NewTable(a.table())
	it, err := table.Get(ctx, views.Key())
	if err != nil {
		return 0, err
	}
	m, err := views.Repair(it, time.Now())
	if m == nil || err != nil {
		return 0, err
	}
	return 1, a.repairOne(ctx, table, it, m, dryRun)
}

// repairOf asks everybody who keeps items in the control table.
func repairOf(it backend.Item, s stream.Status, now time.Time) (*item.Repair, error) {
	if m, err := stream.Repair(it, s, now); m != nil || err != nil {
		return m, err
	}
	if m, err := backfill.Repair(it, now); m != nil || err != nil {
		return m, err
	}
	for _, repair := range []func(backend.Item) (*item.Repair, error){quarantine.Repair, rebuild.Repair, replay.Repair, dedup.Repair, canary.Repair, repairSampleState} {
		if m, err := repair(it); m != nil || err != nil {
			return m, err
		}
	}
	return nil, nil
}

// repairOne prints a damaged item and repairs it. What is put is put only if nobody has
// changed the item since it was read. What is deleted is deleted all the same: no more
// follows from it than the effect that is printed.
func (a *app) repairOne(ctx context.Context, control batch.Table, it backend.Item, m *item.Repair, dryRun bool) error {
	was, err := backend.EncodeItem(it)
	if err != nil {
		return err
	}
	key := m.Damaged.Key
	err = a.print(repairJSON{key.PK, key.SK, m.Damaged.Err.Error(), was, m.Put == nil, m.Effect},
		"%q, %q: %v\n  was: %s\n  %s\n", key.PK, key.SK, m.Damaged.Err, was, m.Effect)
	if err != nil || dryRun {
		return err
	}
	if m.Put == nil {
		return control.Delete(ctx, []backend.Key{key})
	}
	err = control.Put(ctx, m.Put, item.Same(it))
	if backend.KindOf(err) == backend.KindConditionFailed {
		return nil // its owner has written it anew, or it is seen the next time
	}
	return err
}
