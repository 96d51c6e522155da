package projector

import (
	"cmp"
	"math"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/stream"
)

// lag is how far the shards of a worker are behind.
type lag struct {
	Longest    time.Duration `metric:"postroom_stream_lag_seconds" help:"Age of the oldest record that is not processed, of the shard that is furthest behind; 0 where all are at their tip."`
	UntilLoss  float64       `metric:"postroom_stream_until_loss_seconds" help:"Time until the stream trims the oldest record that is not processed, at the earliest; +Inf where there is none."`
	InFlight   time.Duration `metric:"postroom_stream_oldest_in_flight_seconds" help:"How long ago the oldest record in flight was taken over; 0 where there is none."`
	LastRead   time.Duration `metric:"postroom_stream_oldest_read_seconds" help:"Time since the last read that succeeded, or since the lease was acquired, of the shard where that was longest ago."`
	BehindOver map[int]int   `metric:"postroom_stream_shards_behind" label:"over" help:"Shards that lag by more than so many seconds."`
}

// lagSteps are the lags whose shards are counted.
func lagSteps() []time.Duration {
	return []time.Duration{time.Second, 10 * time.Second, time.Minute, 10 * time.Minute, time.Hour, 12 * time.Hour}
}

func lagOf(shards []stream.ShardProgress, now time.Time) lag {
	l := lag{UntilLoss: math.Inf(1), BehindOver: map[int]int{}}
	for _, step := range lagSteps() {
		l.BehindOver[int(step.Seconds())] = 0
	}
	for _, sh := range shards {
		behind := shardLag(sh, now)
		l.Longest = max(l.Longest, behind)
		for _, step := range lagSteps() {
			if behind > step {
				l.BehindOver[int(step.Seconds())]++
			}
		}
		l.UntilLoss = min(l.UntilLoss, untilLoss(sh, now))
		l.InFlight = max(l.InFlight, since(sh.InFlightSince, now))
		// One that could not be read yet has been waiting since it was acquired.
		l.LastRead = max(l.LastRead, since(cmp.Or(sh.ReadAt, sh.Begun), now))
	}
	return l
}

// shardLag is the age of the oldest record that is known to be unread or in
// flight. One in flight is older than its delivery; by how much is not kept.
func shardLag(sh stream.ShardProgress, now time.Time) time.Duration {
	inFlight := since(sh.InFlightSince, now)
	if sh.AtTip {
		return inFlight
	}
	// Where nothing was read since the lease was acquired, its checkpoint counts.
	return max(inFlight, since(cmp.Or(sh.Read, sh.CheckpointAt), now))
}

// untilLoss is when the oldest record that is not processed is trimmed, in
// seconds: at the earliest, since it is younger than the one at the checkpoint.
// +Inf where nothing is known yet.
func untilLoss(sh stream.ShardProgress, now time.Time) float64 {
	if sh.AtTip && sh.InFlight == 0 {
		return math.Inf(1)
	}
	oldest := cmp.Or(sh.CheckpointAt, sh.Read)
	if oldest.IsZero() {
		return math.Inf(1)
	}
	return max(0, (backend.StreamRetention - since(oldest, now)).Seconds())
}

// since is the time since t; zero if t is, or has yet to come: the stream's
// clock is not ours.
func since(t, now time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	return max(0, now.Sub(t))
}
