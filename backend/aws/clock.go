package aws

import (
	"context"
	"sync/atomic"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/middleware"
)

// clock is this machine's clock, compared with the server's: every answer carries the
// server's time, to the second.
type clock struct {
	behind atomic.Pointer[time.Duration] // the server's time minus ours; nil: not known
}

// observe makes a client compare the clocks with each answer.
func (c *clock) observe(stack *middleware.Stack) error {
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("CompareClocks", func(
		ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler,
	) (middleware.DeserializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleDeserialize(ctx, in)
		if behind, ok := awsmiddleware.GetAttemptSkew(metadata); ok {
			c.behind.Store(&behind)
		}
		return out, metadata, err
	}), middleware.Before)
}

// ClockAhead returns how far this machine's clock is ahead of the server's, negative if
// it is behind; false if no answer has told. It is right to about a second, and uses the
// last answer of DynamoDB. If there was none it makes a call, whose answer tells also
// where it is an error.
func (b *Backend) ClockAhead(ctx context.Context) (time.Duration, bool) {
	if b.clock.behind.Load() == nil {
		ctx, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		one := int32(1)
		_, _ = call(ctx, b.onDB, "compare clocks", b.db.ListTables, &dynamodb.ListTablesInput{Limit: &one})
	}
	behind := b.clock.behind.Load()
	if behind == nil {
		return 0, false
	}
	return -*behind, true
}
