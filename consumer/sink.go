package consumer

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"github.com/postroom/postroom/backend"
)

// LogSink returns a handler that writes every body to out as one line of JSON. A
// body that is not JSON fails. Lines are written whole, one at a time.
func LogSink(out io.Writer) Handler {
	var mu sync.Mutex
	return HandlerFunc(func(_ context.Context, d backend.Delivery) error {
		var line bytes.Buffer
		if err := json.Compact(&line, []byte(d.Body)); err != nil {
			return fmt.Errorf("body is not JSON: %w", err)
		}
		line.WriteByte('\n')
		mu.Lock()
		defer mu.Unlock()
		_, err := out.Write(line.Bytes())
		return err
	})
}
