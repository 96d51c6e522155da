package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/postroom/postroom/backend"
)

// wrap turns an error of SQLite, of the context or of this package into a
// [backend.Error] of the op.
func (b *Backend) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	if known, ok := errors.AsType[*backend.Error](err); ok {
		if known.Op == "" {
			known.Op = op
		}
		return err
	}
	kind, note := b.classify(err)
	if note != "" {
		err = fmt.Errorf("%s: %s: %w", b.path, note, err)
	}
	return &backend.Error{Op: op, Kind: kind, Err: err}
}

// fail returns an error of a kind; wrap adds the op.
func fail(kind backend.Kind, format string, args ...any) *backend.Error {
	return &backend.Error{Kind: kind, Err: fmt.Errorf(format, args...)}
}

func invalid(format string, args ...any) *backend.Error {
	return fail(backend.KindInvalid, format, args...)
}

func errClosed() error { return invalid("the file is closed") }

// messageOf returns the text of an error without its op and kind.
func messageOf(err error) string {
	if e, ok := errors.AsType[*backend.Error](err); ok && e.Err != nil {
		err = e.Err
	}
	return err.Error()
}

// classify returns an error's kind and, if the error is about the file, its text
// for an operator.
func (b *Backend) classify(err error) (backend.Kind, string) {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return backend.KindUnavailable, ""
	}
	s, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return backend.KindUnknown, ""
	}
	if s.Code() == sqlite3.SQLITE_READONLY_DBMOVED {
		return backend.KindUnavailable, "the file was moved or removed while it was open"
	}
	switch s.Code() & 0xff { // the low byte; extended codes refine it
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return backend.KindThrottled, "another process holds the file's lock"
	case sqlite3.SQLITE_FULL:
		return backend.KindUnavailable, "the disk is full"
	case sqlite3.SQLITE_IOERR:
		return backend.KindUnavailable, "the disk failed or is full"
	case sqlite3.SQLITE_NOTADB:
		return backend.KindInvalid, "the file is not a SQLite database: choose another file"
	case sqlite3.SQLITE_CORRUPT:
		return backend.KindUnavailable, "the file is damaged: restore a copy"
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH:
		return backend.KindDenied, "no permission to write the file or its folder"
	case sqlite3.SQLITE_CANTOPEN:
		return backend.KindDenied, "cannot be opened: check permissions of the file and its folder"
	}
	return backend.KindUnknown, ""
}

// checkPath reports an unusable path in clearer words than SQLite's.
func checkPath(path string, readOnly bool) error {
	switch {
	case path == Memory && readOnly:
		return errors.New("a new database in memory can only be written")
	case path == Memory:
		return nil
	}
	info, err := os.Stat(path)
	switch {
	case path == "":
		return errors.New("the path is empty")
	case err == nil && info.IsDir():
		return errors.New("the path is a folder: name a file in it")
	case err == nil && !info.Mode().IsRegular():
		return errors.New("it is not a regular file")
	case err == nil:
		return checkStray(path)
	case !errors.Is(err, fs.ErrNotExist) || readOnly:
		return err
	}
	dir := filepath.Dir(path)
	if info, err = os.Stat(dir); err != nil {
		return fmt.Errorf("its folder: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a folder", dir)
	}
	return checkStray(path)
}

func pathKind(err error) backend.Kind {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return backend.KindDenied
	case errors.Is(err, fs.ErrNotExist):
		return backend.KindNotFound
	}
	return backend.KindInvalid
}
