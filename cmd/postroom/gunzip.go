package main

import (
	"bufio"
	"compress/gzip"
	"errors"
	"io"
)

// gzipMagic is how every member of a gzip file begins.
const gzipMagic = "\x1f\x8b"

// gunzip decompresses all members of a gzip file. Zeros after the last one are
// padding, as tapes and block devices leave it, and as gzip itself takes it.
type gunzip struct {
	in     *bufio.Reader
	member *gzip.Reader
}

func newGunzip(in *bufio.Reader) (*gunzip, error) {
	z, err := gzip.NewReader(in)
	if err != nil {
		return nil, cutShort(err)
	}
	z.Multistream(false)
	return &gunzip{in, z}, nil
}

func (g *gunzip) Read(p []byte) (int, error) {
	for {
		n, err := g.member.Read(p)
		if errors.Is(err, io.EOF) {
			err = g.next()
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// next goes on to the next member. It returns io.EOF if there is none.
func (g *gunzip) next() error {
	for {
		b, err := g.in.ReadByte()
		if err != nil {
			return err
		}
		if b != 0 {
			break
		}
	}
	if err := g.in.UnreadByte(); err != nil {
		return err
	}
	if magic, _ := g.in.Peek(len(gzipMagic)); string(magic) != gzipMagic {
		return errors.New("what follows the compressed data is not compressed")
	}
	err := g.member.Reset(g.in)
	g.member.Multistream(false)
	return cutShort(err)
}

// cutShort says of an end in the middle of a header that it is none.
func cutShort(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
