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

// GroupsError says that a group cannot read the stream: another does already, beside the
// default group, and DynamoDB serves no third.
type GroupsError = membership.GroupsError

// joinGroup sends the first heartbeat, if the group has this worker's destination or
// nobody of it is alive, and if the group has a place among those that read the stream.
func (s *session) joinGroup(ctx context.Context) error {
	g := membership.NewGroup(s.heartbeat, s.opt.Logger)
	if s.opt.Destination != "" {
		err := s.agree(ctx, func(ctx context.Context) (bool, error) { return g.MayJoin(ctx, s.opt.Destination) })
		if err != nil {
			return err
		}
	}
	if err := s.heartbeat.Join(ctx, s.firstLoop(opBeating)); err != nil {
		return err
	}
	s.places = membership.NewPlaces(s.heartbeat)
	err := s.agree(ctx, s.places.Take)
	if err == nil && s.opt.Destination != "" {
		err = s.agree(ctx, func(ctx context.Context) (bool, error) { return g.Settle(ctx, s.opt.Destination) })
	}
	if err != nil {
		leaving, stop := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
		defer stop()
		err = errors.Join(err, s.heartbeat.Leave(leaving))
	}
	return err
}

// agree looks until a step of joining is done.
func (s *session) agree(ctx context.Context, step func(ctx context.Context) (bool, error)) error {
	loop := s.firstLoop(opJoining)
	loop.Final = func(err error) bool {
		var differs *DestinationError
		var full *GroupsError
		return errors.As(err, &differs) || errors.As(err, &full) || errors.Is(err, membership.ErrExpired) || retry.Permanent(err)
	}
	for {
		var done bool
		err := loop.Do(ctx, "group", func(ctx context.Context) (err error) {
			done, err = step(ctx)
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
