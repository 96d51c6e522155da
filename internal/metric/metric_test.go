package metric

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

type within struct {
	Waiting int `metric:"waiting_records" help:"Records that wait."`
	hidden  time.Duration
}

type stats struct {
	Reads   int64            `metric:"reads_total" help:"Reads."`
	Took    time.Duration    `metric:"seconds_total" help:"Time of all reads."`
	Ratio   float64          `metric:"ratio" help:"A share."`
	Leads   bool             `metric:"leader" help:"1 where this worker leads."`
	Results map[string]int64 `metric:"results_total" label:"result" help:"Calls by result."`
	Behind  map[int]int      `metric:"behind" label:"over" help:"Shards behind by more seconds."`
	within
	Other string // no metric
}

func TestStruct(t *testing.T) {
	t.Parallel()
	s := stats{
		Reads: 7, Took: 1500 * time.Millisecond, Ratio: 0.25, Leads: true,
		Results: map[string]int64{"ok": 2, "failed": 0}, Behind: map[int]int{10: 3},
		within: within{Waiting: 4, hidden: time.Hour},
	}
	const want = `
# HELP behind Shards behind by more seconds.
# TYPE behind gauge
behind{over="10"} 3
# HELP leader 1 where this worker leads.
# TYPE leader gauge
leader 1
# HELP ratio A share.
# TYPE ratio gauge
ratio 0.25
# HELP reads_total Reads.
# TYPE reads_total counter
reads_total 7
# HELP results_total Calls by result.
# TYPE results_total counter
results_total{result="failed"} 0
results_total{result="ok"} 2
# HELP seconds_total Time of all reads.
# TYPE seconds_total counter
seconds_total 1.5
# HELP waiting_records Records that wait.
# TYPE waiting_records gauge
waiting_records 4
`
	c := Struct(func() stats { return s })
	if err := testutil.CollectAndCompare(c, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.CollectAndLint(c); err != nil {
		t.Errorf("%v %v", problems, err)
	}
	s.Leads = false
	if err := testutil.CollectAndCompare(c, strings.NewReader(strings.ReplaceAll(want, "leader 1\n", "leader 0\n"))); err != nil {
		t.Error(err)
	}
}

func TestStructRefusesWhatItCannotCollect(t *testing.T) {
	t.Parallel()
	for name, collect := range map[string]func(){
		"no help": func() {
			Struct(func() (s struct {
				N int `metric:"n"`
			}) {
				return s
			})
		},
		"a text": func() {
			Struct(func() (s struct {
				S string `metric:"s" help:"h"`
			}) {
				return s
			})
		},
		"a map without a label": func() {
			Struct(func() (s struct {
				M map[string]int `metric:"m" help:"h"`
			}) {
				return s
			})
		},
		"histograms by a label": func() {
			Struct(func() (s struct {
				M map[string]Histogram `metric:"m" help:"h" label:"l"`
			}) {
				return s
			})
		},
		"a label without a map": func() {
			Struct(func() (s struct {
				N int `metric:"n" label:"l" help:"h"`
			}) {
				return s
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			defer func() {
				if recover() == nil {
					t.Error("it did not panic")
				}
			}()
			collect()
		})
	}
}
