package local

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// privateMode is the mode of the files that this package creates: they hold private
// messages.
const privateMode fs.FileMode = 0o600

// template makes an empty file from which SQLite takes the mode of the data file that
// it creates, whatever the umask; -wal and -shm in turn take theirs from the data
// file. So at no moment is there a file that others can open. The file stands in the
// same folder, and the caller removes it, also after an error. There is none, "", if
// the data file has content.
//
// The data file is not created here: closing it would drop the locks that another
// backend of this process has on it by then, as POSIX has it.
func template(path string) (name string, err error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > 0 {
		return "", nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".postroom-new-")
	if err != nil {
		return "", err
	}
	return f.Name(), errors.Join(f.Chmod(privateMode), f.Close())
}
