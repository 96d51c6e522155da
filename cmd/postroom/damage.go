package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/projector/backfill"
	"github.com/postroom/postroom/stream"
)

// maxDamaged is how many damaged items an error names at most.
const maxDamaged = 10

// blocking returns an error that names those of the damaged items that block; nil:
// there are none.
func blocking(damaged []*stream.DamageError) error {
	var lines []string
	for _, d := range damaged {
		if d.Blocks {
			lines = append(lines, d.Error())
		}
	}
	if len(lines) == 0 {
		return nil
	}
	slices.Sort(lines)
	if more := len(lines) - maxDamaged; more > 0 {
		lines = append(lines[:maxDamaged], fmt.Sprintf("and %d more", more))
	}
	return fmt.Errorf("messages may be unread because of damage to the control table; run `postroom repair`:\n%s",
		strings.Join(lines, "\n"))
}

// undamaged is ready while no damaged item blocks anything.
func undamaged(damaged func() []*stream.DamageError) readiness {
	return func() string {
		if err := blocking(damaged()); err != nil {
			return err.Error()
		}
		return ""
	}
}

// checkUnread returns an error if messages may be unread, or not projected, although
// everything is quiet: something in the control table cannot be read, or says more
// than is so. A server that fails for a moment is asked again: by now all work
// is done.
func (a *app) checkUnread(ctx context.Context) error {
	policy := retry.Policy{
		Min: 100 * time.Millisecond, Max: time.Second, Attempts: 5,
		Final: func(err error) bool { return !backend.Retryable(err) },
	}
	return policy.Do(ctx, a.findUnread)
}

func (a *app) findUnread(ctx context.Context) error {
	s, err := a.streamStatus(ctx)
	if err != nil {
		return err
	}
	b, err := backfill.ReadStatus(ctx, a.control())
	if err != nil {
		return err
	}
	if err := s.Doubt(ctx, a.backend.Stream(a.global.table)); err != nil {
		return err
	}
	return blocking(slices.Concat(s.Damaged, b.Damaged))
}
