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

// openInput opens a file to read, unzipped where it is gzip'ed; "-" is standard
// input. Reading ends with an error once ctx is done.
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

// unzip reads r as it is, or what it holds if it is gzip'ed. Closing closes r.
func unzip(name string, r io.ReadCloser) (io.ReadCloser, error) {
	buffered := bufio.NewReader(r)
	magic, err := buffered.Peek(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), r.Close())
	}
	in := input{Reader: buffered, Closer: r}
	if string(magic) == "\x1f\x8b" {
		unzipped, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", name, err), r.Close())
		}
		in.Reader = unzipped
	}
	return in, nil
}

type input struct {
	io.Reader
	io.Closer
}

// interruptible reads r until ctx is done. A read of r that blocks then is left
// behind, to end with r.
func interruptible(ctx context.Context, r io.Reader) io.ReadCloser {
	out, in := io.Pipe()
	context.AfterFunc(ctx, func() { _ = out.CloseWithError(context.Cause(ctx)) })
	go func() {
		_, err := io.Copy(in, r)
		_ = in.CloseWithError(err)
	}()
	return out
}
