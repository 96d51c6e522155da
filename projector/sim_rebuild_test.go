package projector_test

import (
	"context"
	"slices"
	"testing"

	"github.com/postroom/postroom/projector/rebuild"
)

// TestRebuildUnderFaults is TestRepairUnderFaults with rebuilds in place of repairs. The
// group's leaders carry them out, crash and freeze, and operators stop and resume them.
// After one that was asked for when nobody did damage any more, everything is as in any
// other run.
func TestRebuildUnderFaults(t *testing.T) {
	underDamage(t, 8, func(w *world) { w.vandal.rebuilds = true })
}

// askForRebuild has an operator ask for a rebuild, or stop or resume one.
func (w *world) askForRebuild() {
	control, ctx := w.store.Table("control"), context.Background()
	all := w.rebuilds()
	rate := 20 + w.rng.IntN(2000)
	if len(all) > 0 && w.rng.IntN(3) > 0 {
		j := all[w.rng.IntN(len(all))]
		var err error
		switch w.rng.IntN(2) {
		case 0:
			w.sched.Note("an operator stops rebuild %s, which is %s", j.ID, j.State)
			_, err = rebuild.Stop(ctx, control, j.ID)
		default:
			w.sched.Note("an operator resumes rebuild %s, which is %s", j.ID, j.State)
			_, err = rebuild.Resume(ctx, control, j.ID, rate)
		}
		if err != nil {
			w.t.Fatal(err)
		}
		return
	}
	w.startRebuild(rate)
}

func (w *world) startRebuild(rate int) {
	var scope rebuild.Scope
	if groups := w.groups(); len(groups) > 0 && w.vandal.left >= 0 && w.rng.IntN(3) == 0 {
		scope.Groups = groups[:1+w.rng.IntN(len(groups))]
		scope.Groups = scope.Groups[:min(len(scope.Groups), rebuild.MaxTargets)]
	}
	j, err := rebuild.Start(context.Background(), w.store.Table("control"), scope, rate, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	w.sched.Note("an operator asks for rebuild %s of %d conversations, 0 of all", j.ID, len(scope.Groups))
}

// groups are the conversations of which something was posted.
func (w *world) groups() (groups []string) {
	for group := range w.check.members {
		groups = append(groups, group)
	}
	slices.Sort(groups)
	return groups
}

func (w *world) rebuilds() []rebuild.Job {
	all, damaged, err := rebuild.Read(context.Background(), w.store.Table("control"))
	if err != nil || len(damaged) > 0 {
		w.t.Fatal(err, damaged)
	}
	return all
}

// rebuilt asks for a last rebuild when the faults have ended, and reports whether all of
// them are done.
func (w *world) rebuilt() bool {
	all := w.rebuilds()
	for _, j := range all {
		if j.State == rebuild.Running {
			return false
		}
	}
	if w.vandal.left < 0 {
		return true
	}
	w.vandal.left = -1
	w.startRebuild(2000)
	return false
}
