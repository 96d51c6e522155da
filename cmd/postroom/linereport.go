package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/internal/terminal"
	"github.com/postroom/postroom/producer"
)

// Bounds of what an input can make this program print: a file of a few hundred
// kilobytes can hold millions of lines that are wrong.
const (
	maxReported    = 100 // lines of each kind
	maxReportWidth = 500 // columns
)

// bounded prints at most maxReported lines, and says at the end how many more there
// were.
type bounded struct {
	stderr io.Writer
	n      int
}

func (b *bounded) print(format string, args ...any) {
	if b.n++; b.n <= maxReported {
		fmt.Fprintln(b.stderr, terminal.Line(fmt.Sprintf(format, args...), maxReportWidth))
	}
}

// end prints how many lines were left out. What says what they are.
func (b *bounded) end(what string) {
	if more := b.n - maxReported; more > 0 {
		fmt.Fprintf(b.stderr, "%s more %s are not shown\n", count(more), what)
	}
}

// lineReport prints what became of the lines of an input, if it is worth a word.
type lineReport struct {
	name      string
	stderr    io.Writer
	refused   bounded
	orphans   bounded
	openings  map[int]bool // refused lines that were named as the openings of others
	reordered bool
}

func newLineReport(stderr io.Writer, name string) *lineReport {
	return &lineReport{
		name: name, stderr: stderr, refused: bounded{stderr: stderr}, orphans: bounded{stderr: stderr}, openings: map[int]bool{},
	}
}

// wants reports whether add prints a line.
func (r *lineReport) wants(o producer.Outcome) bool {
	return o.Err != nil || o.OpeningRefused > 0 && !r.openings[o.OpeningRefused] || o.Before > 0 && !r.reordered
}

func (r *lineReport) add(o producer.Outcome) {
	switch {
	case o.Err != nil:
		line := &postroom.LineError{Line: o.Line, Err: o.Err}
		if broken, ok := errors.AsType[*postroom.LineError](o.Err); ok {
			line = broken
		}
		r.refused.print("%s: %v", r.name, line)
	case o.OpeningRefused > 0 && !r.openings[o.OpeningRefused]:
		if len(r.openings) < maxReported {
			r.openings[o.OpeningRefused] = true
		}
		r.orphans.print("%s: line %d: nobody sees this message before its conversation is opened, and line %d, which would open it, was refused",
			r.name, o.Line, o.OpeningRefused)
	}
	if o.Before > 0 && !r.reordered {
		r.reordered = true
		fmt.Fprintf(r.stderr, "%s: line %d has the same time as line %d, and comes before it: messages of one time are ordered by their message_uuid\n",
			r.name, o.Line, o.Before)
	}
}

// end prints the sums of what was not printed line by line.
func (r *lineReport) end(s producer.Summary) {
	r.refused.end("refused lines of " + r.name)
	r.orphans.end("orphaned lines of " + r.name)
	if s.Reordered > 1 {
		fmt.Fprintf(r.stderr, "%s: %s lines in all come before an earlier line of the same time\n", r.name, count(s.Reordered))
	}
}
