package consumer

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/strictjson"
	"github.com/postroom/postroom/internal/terminal"
)

// LogSink returns a handler that writes every body to out as one line of JSON, in which
// characters that steer a terminal are escaped. A body that is not JSON fails. Lines are
// written whole, one at a time.
func LogSink(out io.Writer) Handler {
	var mu sync.Mutex
	return HandlerFunc(func(_ context.Context, d backend.Delivery) error {
		line, err := strictjson.Compact([]byte(d.Body))
		if err != nil {
			return fmt.Errorf("body: %w", err)
		}
		mu.Lock()
		defer mu.Unlock()
		_, err = out.Write(append(terminal.JSON(line), '\n'))
		return err
	})
}
