package canary

import (
	"fmt"
	"testing"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
)

// posted puts canaries of earlier days into the log.
func (r *rig) posted(c *Canary, ages ...time.Duration) {
	r.t.Helper()
	for i, age := range ages {
		m := c.opening
		m.Members, m.CreatedAt = nil, postroom.RoundTime(time.Now().Add(-age))
		m.MessageUUID = fmt.Sprintf("%08x-0000-4000-8000-000000000000", i)
		if _, err := r.table().Put(r.t.Context(), m.Item(), backend.Condition{}); err != nil {
			r.t.Fatal(err)
		}
	}
}

// The log of a canary does not grow, its conversation stays open, and nobody takes the
// removal for somebody else's edit.
func TestCanaryRemovesWhatIsOld(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		c := r.canary(func(c *Config, _ *Options) { c.Handled = nil })
		if _, err := r.table().Put(t.Context(), c.opening.Item(), backend.Condition{}); err != nil {
			t.Fatal(err)
		}
		var ages []time.Duration
		for i := range 25 {
			ages = append(ages, 25*time.Hour+time.Duration(i)*time.Minute)
		}
		r.posted(c, append(ages, 23*time.Hour, time.Hour)...)
		r.project()
		r.run(c.Run)
		for _, want := range []int{19, 10, 6, 7} { // ten fewer each time, and one more; three stay
			time.Sleep(30 * time.Second)
			all := r.messages("canary")
			if len(all) != want || !all[0].CreatedAt.Equal(c.opening.CreatedAt) || all[0].Members == nil {
				t.Errorf("%d messages, want %d; the first is %+v", len(all), want, all[0])
			}
			time.Sleep(30 * time.Second)
		}
		r.failedAt("")
		if s := r.projector.Stats(); s.ExternalEdits != 0 || s.Quarantined != 0 {
			t.Errorf("%+v", s)
		}
		r.verify()
	})
}

// While nothing becomes visible nothing is removed: the head may be at any of it.
func TestCanaryRemovesNothingThatIsNotProjected(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		c := r.canary(func(c *Config, _ *Options) { c.Handled = nil })
		r.posted(c, 25*time.Hour, 26*time.Hour)
		r.run(c.Run)
		time.Sleep(90 * time.Second)
		r.failedAt(Visible)
		if n := len(r.messages("canary")); n != 5 {
			t.Errorf("%d messages", n)
		}
		r.project()
		time.Sleep(2 * time.Minute)
		if n := len(r.messages("canary")); n != 5 { // the opening one, and those of this run
			t.Errorf("%d messages", n)
		}
		r.verify()
	})
}
