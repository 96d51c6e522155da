//go:build unix

package local

import (
	"errors"
	"syscall"
)

// processRuns reports whether some process has a pid. Signal 0 is none: it only
// asks. One that may not be signalled runs too.
func processRuns(pid int) bool {
	return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}
