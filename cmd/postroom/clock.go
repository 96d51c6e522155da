package main

import (
	"context"
	"fmt"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend/aws"
	"github.com/postroom/postroom/producer"
)

// producer returns a producer on the table. Where this machine's clock is wrong by that
// of AWS, its clock is that one.
func (a *app) producer(ctx context.Context) *producer.Producer {
	return producer.New(a.table(), producer.Options{Now: a.serverClock(ctx), TracerProvider: a.tracing})
}

// serverClock compares this machine's clock with the server's, and returns the server's
// if they are too far apart. Otherwise, or if it is not known, it returns nil. The two
// are compared anew with each answer.
func (a *app) serverClock(ctx context.Context) func() time.Time {
	b, ok := a.backend.(*aws.Backend)
	if !ok {
		return nil
	}
	ahead, ok := b.ClockAhead(ctx)
	if !ok || ahead.Abs() <= postroom.MaxClockSkew {
		return nil
	}
	side := "ahead of"
	if ahead < 0 {
		side = "behind"
	}
	fmt.Fprintf(a.stderr, "This machine's clock is %s %s the server's: set it right. Until then messages have the server's time, and times that are given are checked against it.\n",
		ahead.Abs().Round(time.Second), side)
	return func() time.Time {
		if ahead, _ := b.ClockAhead(ctx); ahead.Abs() > postroom.MaxClockSkew {
			return time.Now().Add(-ahead)
		}
		return time.Now()
	}
}
