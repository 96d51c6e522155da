package longscan_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/longscan"
)

// TestPace: what shares it pays one after the other, and what was not used in time is
// not saved up.
func TestPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, begin := longscan.NewPace(10), time.Now()
		for i, want := range []time.Duration{500 * time.Millisecond, 700 * time.Millisecond, 600 * time.Millisecond} {
			if got := p.Charge([]float64{5, 2, -1}[i]).Sub(begin); got != want {
				t.Errorf("charge %d is paid after %v, want %v", i, got, want)
			}
		}
		time.Sleep(time.Minute)
		if got := time.Until(p.Charge(10)); got != time.Second {
			t.Errorf("after a minute ten units are paid in %v, want 1s", got)
		}
	})
}

// priced is a table a Get of which costs some units, or does not say what it costs.
type priced struct {
	backend.Table

	units float64
}

func (p priced) Get(context.Context, backend.Key) (backend.Item, backend.Units, error) {
	return nil, backend.Units{Read: p.units}, nil
}

// TestPacedTable: its calls take as long as their units at that rate, side by side too.
func TestPacedTable(t *testing.T) {
	t.Parallel()
	for units, want := range map[float64]time.Duration{5: 45 * time.Second, 0.5: 4500 * time.Millisecond, 0: 9 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			table, begin := longscan.NewPace(10).Table(priced{units: units}), time.Now()
			for range 91 {
				if _, _, err := table.Get(t.Context(), backend.Key{}); err != nil {
					t.Fatal(err)
				}
			}
			if took := time.Since(begin).Round(time.Millisecond); took != want {
				t.Errorf("90 calls of %v units took %v, want %v", units, took, want)
			}
		})
	}
	if table := (priced{}); longscan.NewPace(0).Table(table) != backend.Table(table) {
		t.Error("without a limit the table is another one")
	}
}
