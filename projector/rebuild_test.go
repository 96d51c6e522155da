package projector

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/projector/rebuild"
	"github.com/postroom/postroom/projector/verify"
)

// rebuilt has a rebuild carried out by the rig's projector, which reads no stream.
func (r *rig) rebuilt(scope rebuild.Scope) rebuild.Job {
	r.t.Helper()
	j, err := rebuild.Start(r.t.Context(), r.control, scope, rebuild.MaxRate, 10)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(r.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.p.rebuild.Lead(ctx) }()
	for j.State == rebuild.Running {
		time.Sleep(time.Second)
		j = r.job(j.ID)
	}
	stop()
	if err := <-ended; err != nil {
		r.t.Error(err)
	}
	return j
}

func (r *rig) job(id string) rebuild.Job {
	r.t.Helper()
	jobs, damaged, err := rebuild.Read(r.t.Context(), r.control)
	if err != nil || len(damaged) > 0 {
		r.t.Fatal(err, damaged)
	}
	i := slices.IndexFunc(jobs, func(j rebuild.Job) bool { return j.ID == id })
	if i < 0 {
		r.t.Fatalf("rebuild %s is not there", id)
	}
	return jobs[i]
}

// TestRebuildMendsEveryKindOfDamage that is not in the log or the index, whichever way
// the conversation is found. Nobody is notified, and what cannot be rebuilt is counted.
func TestRebuildMendsEveryKindOfDamage(t *testing.T) {
	scopes := map[string]rebuild.Scope{"all": {}, "group": {Groups: []string{id(1)}}, "user": {Users: []string{id(1002), id(1001), id(1000), id(7)}}}
	for scope, s := range scopes {
		for _, index := range []bool{true, false} {
			for name, d := range damages() {
				byIndex := slices.Contains([]string{"row of a stranger", "rows alone", "all messages gone"}, name)
				if name == "index" || byIndex && !index && scope == "group" {
					continue
				}
				t.Run(scope+"/"+name, func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						r, ms := newVerifyRig(t)
						r.p.rebuild.Index = index
						sent := r.sent()
						d.do(r, ms)
						r.wantRebuilt(r.rebuilt(s), d.want)
						if r.sent() != sent {
							t.Errorf("%d notifications were sent", r.sent()-sent)
						}
					})
				})
			}
		}
	}
}

// wantRebuilt checks what is left of some damage after a rebuild, and what it counted.
func (r *rig) wantRebuilt(j rebuild.Job, damage []verify.Difference) {
	r.t.Helper()
	var left []verify.Difference
	failed, changed := int64(0), false
	for _, d := range damage {
		if changed = changed || d.Kind.Repairable(); !d.Kind.Repairable() {
			left = append(left, d)
		}
		if d.Kind == verify.OpeningLost || d.Kind == verify.Stranded {
			failed++
		}
	}
	if _, found := r.verify(verify.Options{Index: true}); !cmp.Equal(left, plain(r.t, found)) {
		r.t.Errorf("left is %+v, want %+v", found, left)
	}
	c := j.Counts
	if j.State != rebuild.Done || c.Failed != failed || len(j.Failures) != int(failed) || (c.Changed > 0) != changed || c.Units == 0 {
		r.t.Errorf("%+v", j)
	}
	if j.Worker == "" || j.EndedAt.IsZero() || c.Read == 0 {
		r.t.Errorf("%+v", j)
	}
}

// TestRebuildFromNothing: neither heads nor rows are there. What cannot be rebuilt is
// named, with the reason.
func TestRebuildFromNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		for n := 1; n <= 30; n++ {
			ms := conversationOf(n, 2+n%3, 5)
			if n%10 == 0 { // nobody names the members
				ms = ms[1:]
			}
			r.post(ms...)
		}
		j := r.rebuilt(rebuild.Scope{})
		want := rebuild.Counts{Read: j.Counts.Read, Conversations: 30, Changed: 27, Failed: 3, Units: j.Counts.Units}
		if j.Counts != want || len(j.Failures) != 3 || j.Failures[0].Reason == "" {
			t.Errorf("%+v", j)
		}
		report, found := r.verify(verify.Options{})
		if report.Conversations != 30 || len(found) != 3 || found[0].Kind != verify.Stranded {
			t.Errorf("%+v %+v", report, found)
		}
		if r.sent() > 0 {
			t.Errorf("%d notifications were sent", r.sent())
		}
		if again := r.rebuilt(rebuild.Scope{}); again.Counts.Changed != 0 || again.Counts.Conversations != 30 {
			t.Errorf("again: %+v", again)
		}
	})
}

// TestRebuildByTheLeader, beside everything else that it does; it is not idle before.
func TestRebuildByTheLeader(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ms := conversationOf(1, 2, 3)
		r.project(ms...)
		r.remove(backend.KeyOf(r.row(ms[2], 0)))
		j, err := rebuild.Start(t.Context(), r.control, rebuild.Scope{}, 100, 5)
		if err != nil {
			t.Fatal(err)
		}
		r.tuned(tuning{})
		r.run()
		for ok := false; !ok; _, ok = r.p.IdleSince() {
			time.Sleep(10 * time.Millisecond)
		}
		if j := r.job(j.ID); j.State != rebuild.Done || j.Counts.Changed != 1 {
			t.Errorf("idle, and the rebuild is %+v", j)
		}
		if s := r.p.Stats().Rebuild; s.Open != 0 || s.Counts.Conversations != 1 || s.Counts.Read < 5 {
			t.Errorf("%+v", s)
		}
		r.end()
	})
}
