package stream

import (
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Not parallel to others, since it measures what the whole process takes: run it
// alone, with -v, for the figures of docs/cost.md.
func TestS22ManyIdleShards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const shards, busy, mostBytes = 2000, 10, 64 << 20
		o, err := Options{}.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		debug.FreeOSMemory()
		empty, goroutines := memory(), runtime.NumGoroutine()
		c, most := newCrowd(shards, busy), footprint{}
		m := c.join(t, config{})
		watch := func(d time.Duration) {
			for range d / time.Second {
				pass(time.Second)
				most = most.max(memory())
			}
		}
		watch(30 * time.Second)
		before, readBefore := c.account()
		const span = time.Minute
		watch(span)
		after, reads := c.account()
		for i := range reads {
			reads[i] -= readBefore[i]
		}
		perHour := func(n float64) float64 { return n * time.Hour.Minutes() / span.Minutes() }
		idle := perHour(sum(reads[busy:])) / (shards - busy)
		t.Logf("%8.0f reads an hour of an idle shard", idle)
		t.Logf("%8.0f reads an hour of a busy one", perHour(sum(reads[:busy]))/busy)
		for _, call := range slices.Sorted(maps.Keys(after)) {
			n := perHour(after[call] - before[call])
			t.Logf("%8.0f an hour, %8.2f for each shard: %s", n, n/shards, call)
		}
		if least, most := 3000.0, 3700.0; idle < least || idle > most {
			t.Errorf("%.0f reads an hour of an idle shard, want one a second", idle)
		}

		// Reads that hang hold up all that read, and no heartbeat.
		c.stall.Store(int64(25 * time.Second))
		watch(75 * time.Second)
		t.Logf("%8v at most between two heartbeats", c.longest)
		if c.longest > o.LeaseDuration/2 {
			t.Errorf("%v between two heartbeats, of a lease of %v", c.longest, o.LeaseDuration)
		}
		if s := m.Stats(); s.Leases != shards || s.Acquired != shards || s.Lost+s.Expired > 0 {
			t.Errorf("not all shards, once: %+v", s)
		}
		t.Logf("%8d goroutines at most beside %d readers", c.goroutines-goroutines-defaultTuning().readers, defaultTuning().readers)
		const keepers = 10 // heartbeat, leader's lock, sync, group, checkpoints, and who waits for them
		if n, bound := c.goroutines-goroutines, defaultTuning().readers+2*writers+keepers; n > bound {
			t.Errorf("%d goroutines, want at most %d", n, bound)
		}

		m.stop(t)
		debug.FreeOSMemory()
		own := memory().heap - empty.heap // of the crowd
		t.Logf("%8.1f MB of the crowd are not counted in what follows", megabytes(own))
		t.Logf("%8.1f MB of heap", megabytes(most.heap-empty.heap-own))
		t.Logf("%8.1f MB of memory from the system", megabytes(most.system-empty.system-own))
		t.Logf("%8.1f MB resident", megabytes(most.resident-empty.resident-own))
		if n := most.system - empty.system - own; n > mostBytes {
			t.Errorf("%.1f MB above the empty process", megabytes(n))
		}
		runtime.KeepAlive(c)
	})
}

// footprint is what the process takes, in bytes.
type footprint struct {
	heap     int64 // in use, garbage included
	system   int64 // that the runtime has from the system and has not given back
	resident int64 // as the system counts; 0: it does not tell
}

func memory() footprint {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	f := footprint{heap: int64(m.HeapInuse), system: int64(m.Sys - m.HeapReleased)}
	status, _ := os.ReadFile("/proc/self/statm")
	if fields := strings.Fields(string(status)); len(fields) > 1 {
		pages, _ := strconv.ParseInt(fields[1], 10, 64)
		f.resident = pages * int64(os.Getpagesize())
	}
	return f
}

func (f footprint) max(g footprint) footprint {
	return footprint{max(f.heap, g.heap), max(f.system, g.system), max(f.resident, g.resident)}
}

func megabytes(n int64) float64 { return float64(n) / (1 << 20) }

func sum(all []int) (n float64) {
	for _, one := range all {
		n += float64(one)
	}
	return n
}
