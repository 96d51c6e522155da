package local

import (
	"context"
	"time"
)

// By itself SQLite moves the WAL into the file within a commit, once the WAL is long
// enough. That takes two syncs and tens of milliseconds, and would make the slowest
// hundredth of all writes. So a goroutine does it beside the writes.
const (
	// checkpointPause is the shortest time between two checkpoints.
	checkpointPause = 100 * time.Millisecond
	// resetPages is how long the WAL grows (32 MB) before writers are held for the
	// moment that it takes to restart it.
	resetPages = 8000
	// fewPages can be moved so fast that writers may be held meanwhile.
	fewPages = 200
	// maxRounds bounds how often the rest is moved beside the writes before writers
	// are held in any case.
	maxRounds = 4
)

// startCheckpoints moves the WAL after commits, in the background, until Close.
func (b *Backend) startCheckpoints(ctx context.Context) error {
	pool, err := b.dial(ctx, 1, nil, "wal_autocheckpoint(0)")
	if err != nil {
		return err
	}
	b.committed = make(chan struct{}, 1)
	b.background.Go(func() {
		c := <-pool
		defer b.hangUp(c)
		b.checkpoints(c)
	})
	return nil
}

func (b *Backend) checkpoints(c *conn) {
	pause := time.NewTimer(checkpointPause)
	defer pause.Stop()
	for {
		select {
		case <-b.done:
			return
		case <-b.committed:
		}
		if b.inPlace() != nil {
			return // it would write into a file that is not the one
		}
		b.checkpoint(c, resetPages)
		pause.Reset(checkpointPause)
		select {
		case <-b.done:
			return
		case <-pause.C:
		}
	}
}

// checkpoint moves the WAL's pages into the file, and restarts a WAL that is long.
// An error is left to the next checkpoint, as SQLite leaves it to the next commit:
// the WAL holds every write that was answered, and writes fail by themselves once
// the disk is full.
func (b *Backend) checkpoint(c *conn, resetAt int) {
	if !moveBeside(c.checkpoint, resetAt) {
		return
	}
	// Writers have added pages meanwhile. While they are held the rest is moved, and
	// the next write restarts the WAL.
	select {
	case <-b.done:
	case w := <-b.writer:
		defer func() { b.writer <- w }()
		_, _, _ = c.checkpoint()
	}
}

// moveBeside moves pages while others write, until few are left. It reports whether
// the WAL is long enough to be restarted.
func moveBeside(checkpoint func() (pages, moved int, err error), resetAt int) bool {
	for range maxRounds {
		pages, moved, err := checkpoint()
		if err != nil || pages < resetAt {
			return false
		}
		if pages-moved < fewPages {
			break
		}
	}
	return true
}

// checkpoint returns how many pages the WAL has, and how many of them it moved.
func (c *conn) checkpoint() (pages, moved int, err error) {
	var busy int
	t := &tx{c: c}
	_, err = t.row("PRAGMA wal_checkpoint(PASSIVE)", nil, &busy, &pages, &moved)
	return pages, moved, err
}
