package main

import (
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postroom/postroom/cmd/postroom/sample"
	"github.com/postroom/postroom/internal/reference"
)

// TestInboxAgreesWithAPlainFold runs the whole pipeline on files of messages and
// compares every conversation list. It takes the bundled sample, and whatever
// POSTROOM_REFERENCE_FILES names, separated by colons: a file, or FILE=STORE for
// one that went through the pipeline already and is in that data file.
func TestInboxAgreesWithAPlainFold(t *testing.T) {
	t.Parallel()
	files := filepath.SplitList(os.Getenv("POSTROOM_REFERENCE_FILES"))
	for _, entry := range append(files, "") {
		name, store, done := strings.Cut(entry, "=")
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			s := newShell(t)
			if done {
				s.env["POSTROOM_DATA"] = store
			}
			args := []string{"dev", "--until-idle", "--idle-after", "100ms", "--json", "--addr", "127.0.0.1:0"}
			packed := sample.Open()
			if name != "" {
				args = append(args, "--import", name)
				f, err := os.Open(name)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				packed = f
			}
			unpacked, err := gzip.NewReader(packed)
			if err != nil {
				t.Fatal(err)
			}
			if !done {
				s.ok(args...)
			}
			s.agreesWith(unpacked)
		})
	}
}

// agreesWith compares every conversation list with the fold of a file.
func (s *shell) agreesWith(file io.Reader) {
	s.t.Helper()
	messages, err := reference.Read(file)
	if err != nil {
		s.t.Fatal(err)
	}
	got := strings.Split(strings.TrimSpace(s.ok("inbox", "--all", "--json")), "\n")
	slices.Sort(got)
	if d := reference.FirstDifference(got, reference.Inbox(messages)); d != "" {
		s.t.Errorf("%d rows: %s", len(got), d)
	}
}
