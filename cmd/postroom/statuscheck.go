package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/projector/rebuild"
	"github.com/postroom/postroom/projector/replay"
)

const (
	// checkedLag is how far the projection may be behind: it is the alarm's bound.
	checkedLag = time.Minute
	// checkedSilence is how old the last heartbeat of every worker may be, by this
	// machine's clock.
	checkedSilence = time.Minute
)

// check returns what is wrong: all of it in words, and the worst as the exit code.
func (s statusJSON) check(now time.Time) error {
	var found []findingError
	add := func(code int, format string, args ...any) {
		found = append(found, findingError{code, fmt.Sprintf(format, args...)})
	}
	if !s.Enabled {
		add(exitLost, "the stream is switched off, and nothing more is projected")
	}
	if s.UntilLoss != nil && *s.UntilLoss == 0 {
		add(exitLost, "the stream no longer holds records that were not read")
	}
	if !s.worked(now) {
		add(exitNoWorker, "no worker has sent a heartbeat for %v", checkedSilence)
	}
	if why := s.behind(); why != "" {
		add(exitBehind, "%s", why)
	}
	if s.Quarantined > 0 {
		add(exitQuarantined, "%s records are quarantined", count(s.Quarantined))
	}
	if n := s.Dead.Visible + s.Dead.InFlight + s.Dead.Delayed; n > 0 {
		add(exitQuarantined, "%s notifications are in the dead-letter queue", count(n))
	}
	if n := len(s.Damaged); n > 0 {
		add(exitQuarantined, "%s items of the control table are damaged", count(n))
	}
	if s.Backfill.Scan != nil || len(s.Backfill.OpenGaps) > 0 {
		add(exitBackfill, "a backfill of %s gaps is under way", count(len(s.Backfill.OpenGaps)))
	}
	for _, r := range s.Rebuilds {
		if r.State == string(rebuild.Running) {
			add(exitBackfill, "rebuild %s is under way", r.ID)
		}
	}
	for _, r := range s.Replays {
		switch r.State {
		case string(replay.Running):
			add(exitBackfill, "replay %s is under way", r.Name)
		case replayIdle:
			add(exitBackfill, "replay %s is to go on, and nobody carries it out", r.Name)
		}
	}
	for _, c := range s.Canaries {
		if c.failing() {
			add(exitCanary, "%s canaries %q in a row have not arrived: %s", count(c.InARow), c.Last.Name, c.Last.Error)
		}
	}
	if len(found) == 0 {
		return nil
	}
	worst := slices.MinFunc(found, func(a, b findingError) int { return cmp.Compare(a.code, b.code) })
	texts := make([]string, len(found))
	for i, f := range found {
		texts[i] = f.text
	}
	return &findingError{worst.code, strings.Join(texts, "; ")}
}

// worked reports whether a worker has sent a heartbeat lately.
func (s statusJSON) worked(now time.Time) bool {
	return slices.ContainsFunc(s.Workers, func(w workerJSON) bool {
		at, err := postroom.ParseTime(w.RenewedAt)
		return err == nil && now.Sub(at) <= checkedSilence
	})
}

// behind returns how far the projection is behind, if that is too far or not known.
func (s statusJSON) behind() string {
	if s.Lag != nil && time.Duration(*s.Lag)*time.Second > checkedLag {
		return fmt.Sprintf("the projection is %s behind", span(*s.Lag))
	}
	for _, sh := range s.Shards {
		if sh.Listed && !sh.Finished && sh.Lag == nil && sh.UntilLoss == nil {
			return fmt.Sprintf("how far shard %s is behind is not known", sh.Shard)
		}
	}
	return ""
}
