package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// openInput opens a file for reading and decompresses it if it is compressed with
// gzip. "-" is standard input. Reading standard input fails once ctx is done.
func openInput(ctx context.Context, name string, stdin io.Reader) (io.ReadCloser, error) {
	if name == "-" {
		return unzip("standard input", interruptible(ctx, stdin))
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || info.IsDir() {
		if err == nil {
			err = fmt.Errorf("%s is a directory, not a file", name)
		}
		return nil, errors.Join(err, f.Close())
	}
	return unzip(name, f)
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

// unzip returns a reader of r, decompressed if r is compressed with gzip. Closing
// it closes r.
func unzip(name string, r io.ReadCloser) (io.ReadCloser, error) {
	buffered := bufio.NewReader(r)
	magic, err := buffered.Peek(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), r.Close())
	}
	in := struct {
		io.Reader
		io.Closer
	}{buffered, r}
	if string(magic) == "\x1f\x8b" {
		unzipped, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", name, err), r.Close())
		}
		in.Reader = unzipped
	}
	return in, nil
}

// interruptible reads r until ctx is done. A read that blocks then is abandoned,
// and ends when r does.
func interruptible(ctx context.Context, r io.Reader) io.ReadCloser {
	out, in := io.Pipe()
	context.AfterFunc(ctx, func() { _ = out.CloseWithError(context.Cause(ctx)) })
	go func() {
		_, err := io.Copy(in, r)
		_ = in.CloseWithError(err)
	}()
	return out
}
