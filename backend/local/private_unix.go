//go:build unix

package local

import (
	"path/filepath"
	"syscall"
)

// canWrite reports whether this process may write a file and create others beside it,
// not beside a link to it. It opens nothing: see [template].
func canWrite(path string) bool {
	const writeOK = 2 // W_OK
	wal, _ := companions(path)
	return syscall.Access(path, writeOK) == nil && syscall.Access(filepath.Dir(wal), writeOK) == nil
}
