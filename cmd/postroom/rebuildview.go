package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/internal/views"
	"github.com/postroom/postroom/projector/rebuild"
	"github.com/postroom/postroom/stream"
)

// fillView adds a view and has it filled, or goes on with that.
func (a *app) fillView(ctx context.Context, o rebuildOptions) error {
	v := postroom.View{Name: o.shadow, Format: o.rowFormat}
	set, err := views.Read(ctx, a.table())
	if err != nil {
		return err
	}
	if there, ok := set.View(o.shadow); v.Format == 0 && ok {
		v.Format = there.Format
	}
	v.Format = max(v.Format, postroom.PlainRows)
	o.scope.View = v.Name
	if o.dryRun {
		return a.rebuild(ctx, o)
	}
	added, err := views.Add(ctx, a.table(), v, time.Now())
	if err != nil {
		return err
	}
	if added.State == views.Ready {
		return a.printView(added, v.Name == set.Live, "%s", a.filled(v.Name))
	}
	fmt.Fprintf(a.stderr, "View %s with rows of format %d: every move writes it from now on; the others are brought in when all workers know it, in %v\n", v.Name, v.Format, views.Settle)
	o.scope.Generation = added.Since
	if err := a.rebuild(ctx, o); err != nil || !o.wait {
		return err
	}
	return a.checkFilled(ctx, v.Name)
}

// checkFilled returns an error unless a view is ready.
func (a *app) checkFilled(ctx context.Context, name string) error {
	set, err := views.Read(ctx, a.table())
	if err != nil {
		return err
	}
	if v, _ := set.View(name); v.State != views.Ready {
		return fmt.Errorf("view %[1]s is not ready, since conversations could not be brought into it: mend those, then `%[2]s rebuild --shadow %[1]s` goes on", name, a.commandLine())
	}
	if !a.json {
		_, err = fmt.Fprint(a.stdout, a.filled(name))
	}
	return err
}

// filled says what to do with a view that is.
func (a *app) filled(name string) string {
	return fmt.Sprintf("View %[1]s is filled: compare it with `%[2]s verify --shadow %[1]s`, switch to it with `%[2]s rebuild switch %[1]s`\n", name, a.commandLine())
}

// viewJSON is a view of the table.
type viewJSON struct {
	View      string `json:"view"`
	RowFormat int    `json:"row_format"`
	State     string `json:"state"` // filling, ready or dropping
	Live      bool   `json:"live"`  // readers read it
}

func viewsOf(set views.Set) []viewJSON {
	out := []viewJSON{}
	for _, v := range set.Views {
		out = append(out, viewOf(v, v.Name == set.Live))
	}
	return out
}

func viewOf(v views.View, live bool) viewJSON {
	return viewJSON{v.Name, v.Format, string(v.State), live}
}

// viewStatus adds the views of the table.
func (a *app) viewStatus(ctx context.Context, out *statusJSON) ([]*stream.DamageError, error) {
	set, err := views.Read(ctx, a.table())
	out.Views = viewsOf(set)
	if damaged := item.AsDamaged(err); damaged != nil {
		return []*stream.DamageError{damaged}, nil
	}
	return nil, err
}

// text is a view for people.
func (v viewJSON) text() string {
	state := v.State
	if v.Live {
		state = "live"
	}
	return fmt.Sprintf("%s, rows of format %d: %s", v.View, v.RowFormat, state)
}

func (a *app) printView(v views.View, live bool, text string, args ...any) error {
	return a.print(viewOf(v, live), text, args...)
}

func newRebuildSwitch(p process, g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "switch VIEW",
		Short: "Have readers read another view; switch again to go back",
		Long: `Has all readers read the rows of another view, which must be filled, within a second.
The projectors keep up both views, so switching back is as quick and as safe. The view
that every table has from the start is called default.`,
		Args: arguments("VIEW"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := postroom.CheckViewName(args[0]); err != nil {
				return usagef("%w", err)
			}
			return withApp(cmd.Context(), p, g, need{}, func(ctx context.Context, a *app) error {
				return a.switchView(ctx, args[0])
			})
		},
	}
}

func (a *app) switchView(ctx context.Context, name string) error {
	before, err := views.Switch(ctx, a.table(), name)
	if err != nil {
		return a.viewRefused(ctx, name, err)
	}
	set, err := views.Read(ctx, a.table())
	if err != nil {
		return err
	}
	if before == "" {
		return a.printView(set.LiveView(), true, "Readers read the view %s already\n", name)
	}
	return a.printView(set.LiveView(), true, "Within a second all readers read the view %s; `%s rebuild switch %s` goes back\n", name, a.commandLine(), before)
}

// viewRefused adds to a refusal what helps.
func (a *app) viewRefused(ctx context.Context, name string, err error) error {
	set, readErr := views.Read(ctx, a.table())
	v, ok := set.View(name)
	switch {
	case !errors.Is(err, views.ErrRefused) || readErr != nil:
	case ok && v.State == views.Filling:
		return fmt.Errorf("%w: `%s rebuild --shadow %s` goes on", err, a.commandLine(), name)
	case ok && v.State == views.Dropping:
		return fmt.Errorf("%w: `%s rebuild drop %s` goes on", err, a.commandLine(), name)
	}
	return err
}

func newRebuildDrop(p process, g *global) *cobra.Command {
	var o rebuildOptions
	cmd := &cobra.Command{
		Use:   "drop VIEW",
		Short: "Remove a view that readers do not read, with its rows",
		Long: `Removes a view that readers do not read: moves write it no more, and then its rows are
deleted, by the projectors of the table, or where none runs, by this command. It can be
interrupted and run again.`,
		Args: arguments("VIEW"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := postroom.CheckViewName(args[0]); err != nil {
				return usagef("%w", err)
			}
			if err := checkUnits(o.rate); err != nil {
				return err
			}
			return withApp(cmd.Context(), p, g, need{}, func(ctx context.Context, a *app) error {
				return a.dropView(ctx, args[0], o)
			})
		},
	}
	cmd.Flags().IntVar(&o.rate, "rate", 500, "how many capacity units a second to consume at most")
	cmd.Flags().BoolVar(&o.wait, "wait", true, "show how far it is until it is done; with --wait=false only ask for it")
	return cmd
}

func (a *app) dropView(ctx context.Context, name string, o rebuildOptions) error {
	fmt.Fprintf(a.stderr, "In %v nobody reads the view %s any more, and in %v nobody writes it: then its rows are deleted\n", views.Settle, name, 2*views.Settle)
	generation, err := views.Drop(ctx, a.table(), name, time.Now)
	if err != nil {
		return err
	}
	o.scope = rebuild.Scope{View: name, Generation: generation, Drop: true}
	return a.rebuild(ctx, o)
}
