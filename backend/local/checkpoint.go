package local

import (
	"context"
	"time"
)

// SQLite moves the WAL into the file within the commit that makes it long
// enough. That takes two syncs and tens of milliseconds, which would be the
// slowest hundredth of all writes. So a goroutine does it beside the writes.
const (
	// checkpointPause is the least time between two rounds.
	checkpointPause = 100 * time.Millisecond
	// resetPages is how long the WAL grows, 32 MB, before writers are held for
	// the moment that it takes to begin it anew.
	resetPages = 8000
	// fewPages are moved fast enough to hold writers for them.
	fewPages = 200
	// maxRounds bounds how often the rest is moved beside the writes before
	// they are held all the same.
	maxRounds = 4
)

// startCheckpoints begins to move the WAL after commits, until Close.
func (b *Backend) startCheckpoints(ctx context.Context) error {
	pool, err := b.dial(ctx, 1, "wal_autocheckpoint(0)")
	if err != nil {
		return err
	}
	b.committed = make(chan struct{}, 1)
	b.background.Go(func() {
		c := <-pool
		defer c.close()
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
		b.checkpoint(c, resetPages)
		pause.Reset(checkpointPause)
		select {
		case <-b.done:
			return
		case <-pause.C:
		}
	}
}

// checkpoint moves what is in the WAL, and has it begun anew where it is long.
// An error is left to the next round, as SQLite leaves it to the next commit:
// the WAL holds all that was answered, and writes fail by themselves once the
// disk is full.
func (b *Backend) checkpoint(c *conn, resetAt int) {
	for range maxRounds {
		pages, moved, err := c.checkpoint()
		if err != nil || pages < resetAt {
			return
		}
		if pages-moved < fewPages {
			break
		}
	}
	// Writers have gone on meanwhile. Without them the rest is moved, and the
	// next write begins the WAL anew.
	select {
	case <-b.done:
	case w := <-b.writer:
		defer func() { b.writer <- w }()
		_, _, _ = c.checkpoint()
	}
}

// checkpoint returns how many pages the WAL has and how many of them are moved.
func (c *conn) checkpoint() (pages, moved int, err error) {
	var busy int
	t := &tx{c: c}
	_, err = t.row("PRAGMA wal_checkpoint(PASSIVE)", nil, &busy, &pages, &moved)
	return pages, moved, err
}
