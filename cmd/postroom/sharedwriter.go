package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// blockedAfter is how long a write may take once the command is to end.
const blockedAfter = 500 * time.Millisecond

// errBlocked says that whoever reads an output does not read it.
var errBlocked = fmt.Errorf("nobody reads what this command prints: %w", context.Canceled)

// sharedWriter lets several goroutines write, one write at a time. A write may block
// for ever, as one into a pipe does which nobody reads: once done is closed, it is
// given up after blockedAfter, and those after it fail at once.
type sharedWriter struct {
	w       io.Writer
	done    <-chan struct{}
	turn    chan struct{} // holds one value while a write is under way
	blocked atomic.Bool
}

func newSharedWriter(ctx context.Context, w io.Writer) *sharedWriter {
	return &sharedWriter{w: w, done: ctx.Done(), turn: make(chan struct{}, 1)}
}

func (s *sharedWriter) Write(p []byte) (int, error) {
	if s.blocked.Load() {
		return 0, errBlocked
	}
	var n int
	var err error
	p = bytes.Clone(p) // a write that is given up goes on
	written := make(chan struct{})
	go func() {
		s.turn <- struct{}{}
		defer func() { <-s.turn }()
		n, err = s.w.Write(p)
		close(written)
	}()
	select {
	case <-written:
		return n, err
	case <-s.done:
	}
	timer := time.NewTimer(blockedAfter)
	defer timer.Stop()
	select {
	case <-written:
		return n, err
	case <-timer.C:
		s.blocked.Store(true)
		return 0, errBlocked
	}
}
