package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// A mutant is the program with one small change.
type mutant struct {
	// id stays the same as long as the function's name and the changed text do.
	id       string
	file     *file
	operator string
	what     string // what became of the text, in one line
	span     span
	pieces   []piece // what stands in the place of the span
	// alone says that the change cannot be switched on and off while the program
	// runs, as that of a constant; such a mutant is compiled by itself.
	alone bool
	// statement is the one that such a change lies in, empty outside of functions.
	statement span
}

// probe is a mutant that changes nothing, in the place of one that is alone: it shows
// which tests come there.
func (m *mutant) probe() *mutant {
	return &mutant{
		id: m.id, file: m.file, span: m.statement,
		pieces: []piece{text("_ = " + active + "\n"), {source: m.statement}},
	}
}

// A span is a range of a file's bytes, without the one at its end.
type span struct{ from, to int }

func (s span) holds(t span) bool { return s.from <= t.from && t.to <= s.to }

func (s span) overlaps(t span) bool { return s.from < t.to && t.from < s.to }

// A piece is either text or a range of the source, in which other mutants may lie.
type piece struct {
	text   string
	source span
}

func text(s string) piece { return piece{text: s} }

// active stands for the expression that says whether the mutant is switched on.
const active = "\x00"

// splits reports whether the mutant takes its span apart.
func (m *mutant) splits() bool {
	return !slices.ContainsFunc(m.pieces, func(p piece) bool { return p.source == m.span })
}

// clashes reports whether two mutants cannot be in one build.
func (m *mutant) clashes(other *mutant) bool {
	switch {
	case m.alone || other.alone:
		return true
	case m.file != other.file || !m.span.overlaps(other.span):
		return false
	case m.span == other.span:
		return m.splits() && other.splits()
	case m.span.holds(other.span):
		return !m.within(other.span)
	case other.span.holds(m.span):
		return !other.within(m.span)
	default:
		return true
	}
}

// within reports whether one of the mutant's pieces holds the span.
func (m *mutant) within(s span) bool {
	return slices.ContainsFunc(m.pieces, func(p piece) bool { return p.text == "" && p.source.holds(s) })
}

// line is the number of the mutant's first line.
func (m *mutant) line() int { return 1 + strings.Count(m.file.text[:m.span.from], "\n") }

func (m *mutant) String() string {
	return fmt.Sprintf("%s %s:%d %s: %s", m.id, m.file.path, m.line(), m.operator, m.what)
}

// finder collects the mutants of one file.
type finder struct {
	file  *file
	found []*mutant
	// function is the one being read, statement the innermost one of a list.
	function  string
	statement span
	seen      map[string]int
}

func (f *finder) span(n ast.Node) span {
	return span{f.offset(n.Pos()), f.offset(n.End())}
}

func (f *finder) offset(p token.Pos) int { return f.file.set.Position(p).Offset }

func (f *finder) source(n ast.Node) piece { return piece{source: f.span(n)} }

func (f *finder) text(n ast.Node) string {
	s := f.span(n)
	return f.file.text[s.from:s.to]
}

// add takes a mutant that can be switched on and off, alone one that cannot.
func (f *finder) add(operator, what string, at span, pieces ...piece) {
	f.keep(&mutant{operator: operator, what: what, span: at, pieces: pieces})
}

func (f *finder) alone(operator, what string, at span, pieces ...piece) {
	f.keep(&mutant{operator: operator, what: what, span: at, pieces: pieces, alone: true, statement: f.statement})
}

func (f *finder) keep(m *mutant) {
	m.file = f.file
	m.what = oneLine(m.what)
	was := f.file.text[m.span.from:m.span.to]
	key := strings.Join([]string{f.file.path, f.function, m.operator, m.what, was}, "\x00")
	f.seen[key]++
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d", key, f.seen[key]))
	m.id = hex.EncodeToString(sum[:4])
	f.found = append(f.found, m)
}

// oneLine makes code short enough to be read in a list.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 120 {
		s = string(r[:119]) + "…"
	}
	return s
}
