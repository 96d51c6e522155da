package stream

import (
	"context"
	"errors"

	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/stream/internal/membership"
)

// DestinationError says that a worker cannot join its group: [Options].Destination
// is another than that of the workers that are alive.
type DestinationError = membership.DestinationError

// joinGroup sends the first heartbeat, if the group has this worker's destination or
// nobody of it is alive.
func (s *session) joinGroup(ctx context.Context) error {
	if s.opt.Destination == "" {
		return s.heartbeat.Join(ctx, s.firstLoop(opBeating))
	}
	g := membership.NewGroup(s.heartbeat, s.opt.Logger)
	if err := s.agree(ctx, g.MayJoin); err != nil {
		return err
	}
	if err := s.heartbeat.Join(ctx, s.firstLoop(opBeating)); err != nil {
		return err
	}
	err := s.agree(ctx, g.Settle)
	if err != nil {
		leaving, stop := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
		defer stop()
		err = errors.Join(err, s.heartbeat.Leave(leaving))
	}
	return err
}

// agree looks until a step of joining is done.
func (s *session) agree(ctx context.Context, step func(ctx context.Context, destination string) (bool, error)) error {
	loop := s.firstLoop(opJoining)
	loop.Final = func(err error) bool {
		var differs *DestinationError
		return errors.As(err, &differs) || errors.Is(err, membership.ErrExpired) || retry.Permanent(err)
	}
	for {
		var done bool
		err := loop.Do(ctx, "destination", func(ctx context.Context) (err error) {
			done, err = step(ctx, s.opt.Destination)
			return err
		})
		if err != nil || done {
			return err
		}
		if err := retry.Sleep(ctx, retry.Jitter(s.opt.LeaseDuration/10), nil); err != nil {
			return err
		}
	}
}
