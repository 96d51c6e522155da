package main

import (
	"fmt"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress shows the progress of something that takes long: a bar on a terminal,
// and nothing elsewhere.
type progress struct{ bar *progressbar.ProgressBar }

// newProgress starts to show progress. Total is -1 if it is not known.
func newProgress(p process, what string, total int64) progress {
	if !p.terminal {
		return progress{}
	}
	return progress{progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(p.stderr),
		progressbar.OptionSetDescription(what),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionSetItsString("msg"),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)}
}

// add moves on by n.
func (g progress) add(n int) {
	if g.bar != nil {
		_ = g.bar.Add(n) // it does not matter if the bar cannot be drawn
	}
}

// set moves to n.
func (g progress) set(n int64) {
	if g.bar != nil {
		_ = g.bar.Set64(n)
	}
}

// interrupt makes room for a line on the terminal.
func (g progress) interrupt() {
	if g.bar != nil {
		_ = g.bar.Clear()
	}
}

// done removes the bar.
func (g progress) done() {
	if g.bar != nil {
		_ = g.bar.Finish()
	}
}

// count formats a number with commas between thousands.
func count[T ~int | ~int64](n T) string {
	if n < 1000 {
		return fmt.Sprint(int64(n))
	}
	return fmt.Sprintf("%s,%03d", count(n/1000), int64(n)%1000)
}
