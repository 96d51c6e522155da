//go:build unix

package local

import (
	"path/filepath"
	"syscall"
)

// canWrite reports whether this process may write a file and create others beside it.
// It opens nothing: see [template].
func canWrite(path string) bool {
	const writeOK = 2 // W_OK
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return syscall.Access(path, writeOK) == nil && syscall.Access(filepath.Dir(path), writeOK) == nil
}
