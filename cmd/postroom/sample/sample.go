// Package sample holds the real conversations that a first start imports: a
// part of the Ubuntu IRC logs, licensed CC-BY-4.0. Its README says whose they
// are and what was changed.
package sample

import (
	"bytes"
	_ "embed"
	"io"
)

// Messages is how many messages there are.
const Messages = 3915

//go:embed messages.jsonl.gz
var zipped []byte

// Open reads the sample: gzip'ed JSONL, a message a line.
func Open() io.Reader { return bytes.NewReader(zipped) }
