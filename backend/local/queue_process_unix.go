//go:build unix

package local

import (
	"errors"
	"syscall"
)

// processRuns reports whether a process has the pid. Signal 0 only asks. A process
// that must not be signalled runs too.
func processRuns(pid int) bool {
	return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}
