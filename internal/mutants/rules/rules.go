// Package rules lists the rules whose absence the tests must notice, each with the
// change of the sources that removes it.
package rules

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Rule is a rule of the sources, and how to remove it.
type Rule struct {
	Name string
	File string // by its path in the repository
	// Old stands in the file once, and becomes New.
	Old, New string
	// Tests is the beginning of the names of the tests that notice, with | between
	// them, where the simulation does not: without this rule all invariants hold, but
	// work takes longer, or more is quarantined; or it needs very many seeds. The tests
	// are in the file's package, or in the one that this is within.
	Tests string
}

// Named returns the rule of a name.
func Named(name string) (Rule, error) {
	for _, r := range All {
		if r.Name == name {
			return r, nil
		}
	}
	return Rule{}, fmt.Errorf("there is no rule %q", name)
}

// Overlay writes into a folder the file without the rule, and the description that
// has the compiler read it instead of the one in the repository at root. It returns
// the path of that description, the argument of go build -overlay. The sources stay
// as they are.
func (r Rule) Overlay(root, folder string) (string, error) {
	path, err := filepath.Abs(filepath.Join(root, r.File))
	if err != nil {
		return "", err
	}
	source, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if n := bytes.Count(source, []byte(r.Old)); n != 1 {
		return "", fmt.Errorf("%s holds the text to replace %d times, want once: the list of rules is out of date", r.File, n)
	}
	broken := filepath.Join(folder, filepath.Base(r.File))
	if err := os.WriteFile(broken, bytes.Replace(source, []byte(r.Old), []byte(r.New), 1), 0o600); err != nil {
		return "", err
	}
	description, err := json.Marshal(map[string]any{"Replace": map[string]string{path: broken}})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(folder, "overlay.json")
	return overlay, os.WriteFile(overlay, description, 0o600)
}
