package main

import (
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
)

// Bits of a file's mode.
const (
	othersBits     fs.FileMode = 0o077 // the group and everybody
	everybodysBits fs.FileMode = 0o007
	groupWriteBit  fs.FileMode = 0o020
)

// warnOfReaders warns if others on this machine can read or write the data file or
// one of its companions. Files that Postroom makes are their owner's alone, but this
// one may have been copied, or made on purpose.
func (a *app) warnOfReaders() {
	if runtime.GOOS == "windows" { // its modes say nothing about others
		return
	}
	var open []string
	for _, name := range []string{a.data, a.data + "-wal", a.data + "-shm"} {
		if info, err := os.Stat(name); err == nil && info.Mode()&othersBits != 0 {
			open = append(open, quote(name))
		}
	}
	if len(open) > 0 {
		a.log.Warn("others on this machine can open the data file, which holds private messages",
			"file", a.data, "remedy", "chmod go= "+strings.Join(open, " "))
	}
}

// checkSecret returns an error if others than its owner can read or write a file that
// holds a secret. The group may read a file of root's: so a container is given secrets.
func checkSecret(name string, info fs.FileInfo) error {
	forbidden := othersBits
	if ownedByRoot(info) {
		forbidden = everybodysBits | groupWriteBit
	}
	if runtime.GOOS == "windows" || info.Mode()&fs.ModeDevice != 0 || info.Mode()&forbidden == 0 {
		return nil
	}
	return fmt.Errorf("%s has mode %04o, so others on this machine can open it: run chmod go= %s, and replace the secret if somebody may have read it",
		name, info.Mode().Perm(), quote(name))
}
