package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/internal/retry"
)

// watchStatus prints the state of the pipeline again and again until ctx is done: on a
// terminal in place of what it printed before, with --json one object a line. What goes
// wrong meanwhile is printed too, and the next look is made all the same; a first one
// that fails ends the command.
func (a *app) watchStatus(ctx context.Context, every time.Duration) error {
	var before statusJSON
	var at time.Time
	for {
		now := time.Now()
		next, err := a.readStatus(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && at.IsZero():
			return err
		case err != nil:
			a.log.Warn("the state cannot be read, trying again", "error", err)
		default:
			if !at.IsZero() {
				next.rates(before, now.Sub(at))
			}
			if err := a.printFrame(next, now); err != nil {
				return err
			}
			before, at = next, now
		}
		if retry.Sleep(ctx, every, nil) != nil {
			return nil
		}
	}
}

// rates computes how fast each shard is worked off since an earlier look: seconds of
// the stream in a second. One that keeps up with what is written has the rate 1, one
// that has nothing to do has none.
func (s *statusJSON) rates(before statusJSON, since time.Duration) {
	were := map[string]shardJSON{}
	for _, sh := range before.Shards {
		were[sh.Shard] = sh
	}
	for i := range s.Shards {
		sh := &s.Shards[i]
		from, err := postroom.ParseTime(were[sh.Shard].CheckpointTime)
		to, err2 := postroom.ParseTime(sh.CheckpointTime)
		if err == nil && err2 == nil && sh.Lag != nil && *sh.Lag > 0 {
			rate := to.Sub(from).Seconds() / since.Seconds()
			sh.Rate = &rate
		}
	}
}

// catchUp returns when a shard will have caught up at its rate; 0: it is not known, or
// there is nothing to catch up with.
func (s shardJSON) catchUp() time.Duration {
	if s.Lag == nil || *s.Lag == 0 || s.Rate == nil || *s.Rate <= 1 {
		return 0
	}
	return time.Duration(float64(*s.Lag) / (*s.Rate - 1) * float64(time.Second)).Round(time.Second)
}

// toTop moves the cursor of a terminal to the top left, toEnd clears what is below.
const (
	toTop = "\x1b[H"
	toEnd = "\x1b[J"
)

func (a *app) printFrame(s statusJSON, now time.Time) error {
	if a.json {
		return printJSON(a.stdout, s)
	}
	var frame bytes.Buffer
	if a.screen {
		frame.WriteString(toTop + toEnd)
	}
	fmt.Fprintf(&frame, "%s\n\n", postroom.FormatTime(now))
	if err := s.print(&frame); err != nil {
		return err
	}
	frame.WriteByte('\n')
	_, err := io.Copy(a.stdout, &frame)
	return err
}
