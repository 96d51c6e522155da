//go:build !unix

package local

// processRuns cannot be told here: every process counts as running, and what it
// had in flight comes back with its visibility timeout.
func processRuns(pid int) bool { return true }
