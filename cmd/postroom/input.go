package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// checkInputs reports inputs that cannot be imported, before anything happens. It
// opens none: an input may be a pipe, which can be read only once.
func checkInputs(names []string) error {
	stdin := false
	for _, name := range names {
		if name == "-" {
			if stdin {
				return usagef("standard input is given twice, and can be read only once")
			}
			stdin = true
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		if info.IsDir() {
			return fmt.Errorf("%s is a directory, not a file", name)
		}
	}
	return nil
}

// openInput opens a file, a pipe or a device for reading, once, and decompresses it
// if it is compressed with gzip. "-" is standard input. Once ctx is done, opening
// and reading fail with its cause, even where they would block.
func openInput(ctx context.Context, name string, stdin io.Reader) (io.ReadCloser, error) {
	if name == "-" {
		return unzip("standard input", interruptible(ctx, func() (io.ReadCloser, error) {
			return io.NopCloser(stdin), nil
		}))
	}
	return unzip(name, interruptible(ctx, func() (io.ReadCloser, error) { return os.Open(name) }))
}

// readInput opens an input and reads all of it, see readBounded.
func readInput(ctx context.Context, name string, stdin io.Reader, maxBytes int64) ([]byte, error) {
	in, err := openInput(ctx, name, stdin)
	if err != nil {
		return nil, err
	}
	defer in.Close() // only read
	return readBounded(in, name, maxBytes)
}

// readBounded reads all of a small file. One that is longer than it may be is an
// error.
func readBounded(r io.Reader, name string, maxBytes int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxBytes+1))
	if err == nil && int64(len(data)) > maxBytes {
		err = fmt.Errorf("it is longer than %d bytes", maxBytes)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return data, nil
}

// interruptible reads what open returns until ctx is done. Opening a pipe waits
// for its writer, and reading one for what the writer writes: a call that blocks is
// then abandoned, and ends when it is answered or the process ends.
func interruptible(ctx context.Context, open func() (io.ReadCloser, error)) io.ReadCloser {
	out, in := io.Pipe()
	stop := context.AfterFunc(ctx, func() { _ = in.CloseWithError(context.Cause(ctx)) })
	go func() {
		defer stop()
		r, err := open()
		if err == nil {
			_, err = io.Copy(in, r)
			err = errors.Join(err, r.Close())
		}
		_ = in.CloseWithError(err)
	}()
	return out
}

// unzip returns a reader of r, decompressed if r is compressed with gzip. Closing
// it closes r.
func unzip(name string, r io.ReadCloser) (io.ReadCloser, error) {
	in := struct {
		io.Reader
		io.Closer
	}{Closer: r}
	buffered := bufio.NewReader(r)
	in.Reader = buffered
	magic, err := buffered.Peek(len(gzipMagic))
	if string(magic) == gzipMagic {
		in.Reader, err = newGunzip(buffered)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		if _, named := errors.AsType[*fs.PathError](err); !named {
			err = fmt.Errorf("%s: %w", name, err)
		}
		return nil, errors.Join(err, r.Close())
	}
	return in, nil
}
