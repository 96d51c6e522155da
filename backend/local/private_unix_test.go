//go:build unix

package local

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The files are their owner's alone, whatever the umask. A umask belongs to a whole
// process, so another one makes them.
func TestF17FilesAreOursAlone(t *testing.T) {
	t.Parallel()
	for _, umask := range []string{"000", "022", "077", "777"} {
		t.Run(umask, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for name, before := range map[string]string{"new.db": "", "touched.db": "touch"} {
				path := filepath.Join(dir, name)
				if before != "" {
					if err := os.WriteFile(path, nil, 0o644); err != nil {
						t.Fatal(err)
					}
				}
				wantPrivate(t, path, umask)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
				t.Errorf("left in the folder: %v", left)
			}
		})
	}
}

// wantPrivate lets another process write to a file with a umask until it is killed.
func wantPrivate(t *testing.T, path, umask string) {
	t.Helper()
	child := exec.CommandContext(t.Context(), "sh", "-c", "umask "+umask+` && exec "$0"`, os.Args[0])
	child.Env = append(os.Environ(), crashEnv+"="+path)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	// It has no table, so it ends by itself, but not before it has opened the file.
	// What it says comes after that.
	answer := make([]byte, 100)
	n, _ := out.Read(answer)
	modes := modesOf(path)
	_ = child.Process.Kill()
	_ = child.Wait()
	for file, mode := range modes {
		if mode != 0o600 {
			t.Errorf("umask %s: %s has mode %v, want %v", umask, filepath.Base(file), mode, fs.FileMode(0o600))
		}
	}
	if len(modes) != 3 {
		t.Errorf("umask %s: files %v, want three; the other process said %s", umask, modes, strings.TrimSpace(string(answer[:n])))
	}
}

func modesOf(path string) map[string]fs.FileMode {
	modes := map[string]fs.FileMode{}
	for _, file := range []string{path, path + "-wal", path + "-shm"} {
		if info, err := os.Stat(file); err == nil {
			modes[file] = info.Mode()
		}
	}
	return modes
}
