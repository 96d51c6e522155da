package stream

import (
	"context"
	"errors"
	"time"

	"github.com/postroom/postroom/backend"
)

// Reader is one worker on one stream.
type Reader struct {
	stream  backend.Stream
	control backend.Table
	handler Handler
	opt     Options
}

// NewReader makes a reader of s that keeps ownership and checkpoints in the
// control table and gives its records to h. It makes no call.
func NewReader(s backend.Stream, control backend.Table, h Handler, o Options) *Reader {
	return &Reader{stream: s, control: control, handler: h, opt: o}
}

// Run takes the stream and reads it until ctx is done, then stops in stages: it
// reads no more, waits up to DrainTimeout for acknowledgements, writes the
// checkpoints and releases the stream, and returns nil.
func (r *Reader) Run(ctx context.Context) error {
	return errors.New("stream: Run is not built yet")
}

// IdleSince says since when every known shard is read to its open tip or its
// end and nothing waits for an acknowledgement; ok is false while that is not
// so. It may be called concurrently with Run.
func (r *Reader) IdleSince() (t time.Time, ok bool) { return time.Time{}, false }
