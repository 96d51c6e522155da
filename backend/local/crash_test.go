package local

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/postroom/postroom/backend"
)

// writeUntilKilled puts pairs of items by transactions and prints the number of
// each pair once it was answered.
func writeUntilKilled(path string) {
	b, err := Open(path, Options{RollSize: 50})
	if err != nil {
		fmt.Println(err)
		return
	}
	table := b.Table("postroom")
	first, err := pairs(b)
	for i := first; err == nil; i++ {
		_, err = table.Transact(context.Background(), "run-"+strconv.Itoa(i), []backend.Action{
			{Put: row(2*i, i), Condition: backend.Condition{Absent: true}},
			{Put: row(2*i+1, i), Condition: backend.Condition{Absent: true}},
		})
		if err == nil {
			fmt.Println(i)
		}
	}
	fmt.Println(err)
}

// pairs counts the pairs that were written to a file.
func pairs(b *Backend) (int, error) {
	n := 0
	err := b.read(context.Background(), "count", func(t *tx) error {
		_, err := t.row("SELECT count(*) FROM items WHERE pk LIKE 'grp#%'", nil, &n)
		return err
	})
	return n / 2, err
}

// What was answered is there after kill -9, all of a transaction or nothing,
// and the stream agrees with the table.
func TestAnsweredWritesSurviveKill(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "postroom.db")
	b := open(t, path, Options{RollSize: 50})
	newTable(t, b)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	for round := range 4 {
		answered := killAfter(t, path, 60+17*round)
		b := open(t, path, Options{})
		items, index, records := count(t, b, "items"), count(t, b, "index_entries"), count(t, b, "records")
		// One more may have been written whose answer was not read any more.
		if items < 2*(answered+1) || items%2 != 0 || items != index || items != records {
			t.Errorf("round %d: %d items, %d index entries, %d records; pair %d was answered", round, items, index, records, answered)
		}
		if got := len(readAll(t, b.Stream("postroom"))); got != records {
			t.Errorf("round %d: %d of %d records can be read", round, got, records)
		}
		integrity := ""
		if err := b.write(t.Context(), "check", func(tx *tx) error {
			_, err := tx.row("PRAGMA integrity_check", nil, &integrity)
			return err
		}); err != nil || integrity != "ok" {
			t.Errorf("round %d: integrity %q, %v", round, integrity, err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Another process writes; this one writes too, is woken by its changes, and
// reads all of them.
func TestTwoProcessesOnOneFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "postroom.db")
	b := open(t, path, Options{RollSize: 50})
	table, stream := newTable(t, b)
	answered := make(chan int, 1)
	var g errgroup.Group
	g.Go(func() error {
		last, err := tryKillAfter(t.Context(), path, 100)
		answered <- last
		return err
	})
	own, woken := 0, 0
	for last := -1; last < 0; {
		changed := stream.Changed()
		put(t, table, backend.Item{"PK": text("own"), "SK": text(strconv.Itoa(own))})
		own++
		<-changed // by the put
		select {
		case <-stream.Changed(): // by the other process
			woken++
		case last = <-answered:
			if n := len(readAll(t, stream)); n < own+2*(last+1) {
				t.Errorf("%d records, want %d of this process and %d or more of the other", n, own, 2*(last+1))
			}
		}
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if woken == 0 {
		t.Error("never woken by the other process")
	}
}

// killAfter lets another process write, kills it after so many answers, and
// returns the last pair that it said was written.
func killAfter(t *testing.T, path string, answers int) int {
	t.Helper()
	last, err := tryKillAfter(t.Context(), path, answers)
	if err != nil {
		t.Fatal(err)
	}
	return last
}

func tryKillAfter(ctx context.Context, path string, answers int) (last int, err error) {
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), crashEnv+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer func() { _ = cmd.Wait() }() // killed, as it should be
	last = -1
	lines := bufio.NewScanner(out)
	for range answers {
		if !lines.Scan() {
			return 0, fmt.Errorf("the writer ended by itself: %w", lines.Err())
		}
		if last, err = strconv.Atoi(lines.Text()); err != nil {
			return 0, fmt.Errorf("the writer failed: %s", lines.Text())
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		return 0, err
	}
	for lines.Scan() { // what it answered before it was gone
		if n, err := strconv.Atoi(lines.Text()); err == nil {
			last = n
		}
	}
	return last, nil
}
