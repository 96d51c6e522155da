package emulator

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Script is the command that runs a script on the Node.js that is installed with
// the servers, with the folder of npm's packages as its argument, until the test
// ends. If Node.js or the package that the script needs is not installed, the test
// is skipped, or fails, as with [Set.Start].
func Script(t testing.TB, script, needs string) *exec.Cmd {
	t.Helper()
	directory, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	root, err := moduleRoot(directory)
	for _, file := range []string{node, packages + "/" + needs + "/package.json"} {
		if err == nil && missing(root, file) {
			err = errNotInstalled
		}
	}
	if errors.Is(err, errNotInstalled) && os.Getenv("POSTROOM_EMULATORS") != "required" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return exec.CommandContext(t.Context(), filepath.Join(root, node), script, filepath.Join(root, packages))
}
