package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// helper is the file that each changed package gets in addition.
const helper = "mutated_by_generate.go"

// helperText switches mutants on and off. All of a build are in one program, since
// compiling takes longer than most tests: the environment names the one that is on.
// Where it names a file instead, the mutants that are reached are written there.
const helperText = `package %s

import (
	"os"
	"sync"
)

var (
	mutationIsOn    = os.Getenv("MUTANT")
	mutationsFile   = os.Getenv("MUTANTS_REACHED")
	mutationReached sync.Map
)

func mutated(id string) bool {
	if mutationsFile != "" {
		if _, known := mutationReached.LoadOrStore(id, true); !known {
			file, err := os.OpenFile(mutationsFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
			if err != nil {
				panic(err)
			}
			if _, err := file.WriteString(id + "\n"); err != nil {
				panic(err)
			}
			if err := file.Close(); err != nil {
				panic(err)
			}
		}
	}
	return id == mutationIsOn
}
`

// render returns the text of a file with mutants in it.
func render(f *file, mutants []*mutant) string {
	own := slices.DeleteFunc(slices.Clone(mutants), func(m *mutant) bool { return m.file != f })
	slices.SortStableFunc(own, func(a, b *mutant) int {
		switch {
		case a.span.from != b.span.from:
			return a.span.from - b.span.from
		case a.span.to != b.span.to:
			return b.span.to - a.span.to
		case a.splits() != b.splits() && b.splits():
			return -1 // what keeps its span whole is around what takes it apart
		case a.splits() != b.splits():
			return 1
		}
		return strings.Compare(a.id, b.id)
	})
	var b strings.Builder
	renderSpan(&b, f.text, span{0, len(f.text)}, own)
	return b.String()
}

// renderSpan writes a range of the text with the mutants in it, the outer ones first.
func renderSpan(b *strings.Builder, text string, s span, mutants []*mutant) {
	at := s.from
	for i, m := range mutants {
		if m.span.from < at || !s.holds(m.span) {
			continue // it is within one before, or somewhere else
		}
		b.WriteString(text[at:m.span.from])
		for _, p := range m.pieces {
			if p.text != "" {
				b.WriteString(strings.ReplaceAll(p.text, active, "mutated("+strconv.Quote(m.id)+")"))
				continue
			}
			renderSpan(b, text, p.source, mutants[i+1:])
		}
		at = m.span.to
	}
	b.WriteString(text[at:s.to])
}

// overlay writes the files of a build into a folder and returns the argument of
// go build -overlay. The sources stay as they are.
func overlay(folder string, mutants []*mutant) (string, error) {
	replace := map[string]string{}
	write := func(original, text string) error {
		path := filepath.Join(folder, strconv.Itoa(len(replace))+".go")
		replace[original] = path
		return os.WriteFile(path, []byte(text), 0o600)
	}
	for _, m := range mutants {
		original := filepath.Join(m.file.pkg.dir, filepath.Base(m.file.path))
		if replace[original] == "" {
			if err := write(original, render(m.file, mutants)); err != nil {
				return "", err
			}
		}
		if help := filepath.Join(m.file.pkg.dir, helper); replace[help] == "" {
			if err := write(help, fmt.Sprintf(helperText, m.file.pkg.name)); err != nil {
				return "", err
			}
		}
	}
	description, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, "overlay.json")
	return path, os.WriteFile(path, description, 0o600)
}

// builds divides mutants so that those of one build do not clash.
func builds(mutants []*mutant) [][]*mutant {
	var all [][]*mutant
next:
	for _, m := range mutants {
		for i, build := range all {
			if !slices.ContainsFunc(build, m.clashes) {
				all[i] = append(build, m)
				continue next
			}
		}
		all = append(all, []*mutant{m})
	}
	return all
}
