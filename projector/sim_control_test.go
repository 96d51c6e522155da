package projector_test

import (
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/postroom/postroom/backend"
)

// control is one control table as the checker sees it.
type control struct {
	check       *checker
	name        string
	quarantined map[backend.Key]bool   // messages that are or were quarantined
	waits       map[backend.Key]string // who quarantined a record for want of members
	gaps        map[string]gap         // by id
	leases      map[shardID]*tenure
	lives       map[backend.Key]*life // by WORKER#
	// promised is when it was first written which stream is read: who has posted
	// to it since, or within the time that it keeps records, is promised that
	// others are notified.
	promised time.Time
	stream   string
	// meddled says that an operator took a shard's item away: what was done of
	// it is done again.
	meddled bool
}

type shardID struct{ arn, shard string }

// gap is a range that is recorded as lost, or to be made good.
type gap struct {
	from, until time.Time
	silent      bool // nobody was promised a notification
	open        bool // not made good yet
}

// gapSlack is how far beside a gap a message may be that is notified again: the
// times of records are about, and those of messages are their producers'.
const gapSlack = 3 * time.Minute

func (g gap) covers(at time.Time) bool {
	return !g.silent && !at.After(g.until.Add(gapSlack)) && (g.from.IsZero() || !at.Before(g.from.Add(-gapSlack)))
}

// life is a worker as the others can see it.
type life struct {
	owner string
	moved time.Time // when it last renewed its heartbeat
	gone  bool
}

func (c *checker) control(name string) *control {
	ctl := c.controls[name]
	if ctl == nil {
		ctl = &control{
			check: c, name: name, quarantined: map[backend.Key]bool{}, waits: map[backend.Key]string{}, gaps: map[string]gap{},
			leases: map[shardID]*tenure{}, lives: map[backend.Key]*life{},
		}
		c.controls[name] = ctl
	}
	return ctl
}

func (ctl *control) wrote(by string, key backend.Key, before, after backend.Item) {
	switch arn, ofStream := strings.CutPrefix(key.PK, "stream#"); {
	case strings.HasPrefix(key.PK, "QUARANTINE#"):
		if after != nil {
			record := backend.Key{PK: backend.Text(after, "record_pk"), SK: backend.Text(after, "record_sk")}
			ctl.quarantined[record] = true
			ctl.waits[record] = ""
			if isTrue(after, "waiting") {
				ctl.waits[record] = by
			}
		}
	case key.PK == "streams" && ctl.stream == "":
		ctl.promised, ctl.stream = time.Now(), key.SK
	case key.PK == "backfill" && strings.HasPrefix(key.SK, "GAP#"):
		ctl.gaps[key.SK] = gap{timeOf(after, "from"), timeOf(after, "until"), isTrue(after, "silent"), backend.Text(after, "state") == "open"}
	case ofStream && strings.HasPrefix(key.SK, "WORKER#"):
		ctl.pulse(by, key, after)
	case ofStream && strings.HasPrefix(key.SK, "SHARD#"):
		ctl.leased(by, shardID{arn, strings.TrimPrefix(key.SK, "SHARD#")}, before, after)
	}
}

// pulse looks at a write of a worker's heartbeat: its own, or another worker's that
// expires the session. A session with a heartbeat within the lease duration must
// not be expired.
func (ctl *control) pulse(by string, key backend.Key, after backend.Item) {
	seen := ctl.lives[key]
	switch {
	case seen != nil && seen.gone: // a call of the dead may arrive late
	case after != nil && backend.Text(after, "worker") == by:
		ctl.lives[key] = &life{owner: by, moved: time.Now()}
	case seen == nil:
	case by != "" && by != seen.owner && time.Since(seen.moved) < leaseDuration:
		ctl.check.violation("%s: %s expires %s, which renewed its heartbeat %s ago", ctl.name, by, seen.owner, time.Since(seen.moved))
	default:
		seen.gone = true
	}
}

// living returns the worker of a run if it has an item that says so.
func (ctl *control) living(arn, run string) *life {
	l := ctl.lives[backend.Key{PK: "stream#" + arn, SK: "WORKER#" + run}]
	if l == nil || l.gone {
		return nil
	}
	return l
}

// resent looks at a notification that was sent before. It has a reason while
// the checkpoint has not passed its record. After that only who was there
// before, or who backfills what was lost about that time, sends it again.
func (ctl *control) resent(by string, p *posted) {
	if !strings.HasPrefix(by, "a") && !strings.HasPrefix(by, "b") && !strings.HasPrefix(by, "c") {
		return // a replay
	}
	if p.passed.IsZero() || ctl.meddled || ctl.check.world.repeats ||
		ctl.quarantined[backend.Key{PK: p.GroupUUID, SK: p.Key()}] || !ctl.check.born[by].After(p.passed) {
		return
	}
	for _, g := range ctl.gaps {
		if g.covers(p.at) || g.covers(p.CreatedAt) {
			return
		}
	}
	ctl.check.violation("%s notifies again of message %s %s, which was done and acknowledged %s ago, and is in no gap",
		by, p.GroupUUID, p.Key(), time.Since(p.passed))
}

// unpromised reports whether a message was not in the stream any more, hardly, or
// never, when it was first read: it is projected, and nobody is notified.
func (ctl *control) unpromised(p *posted) bool {
	age := ctl.promised.Sub(p.at)
	return age >= 0 && p.stream != ctl.stream || age > 23*time.Hour-time.Minute
}

// backfilled reports whether all gaps are closed.
func (ctl *control) backfilled() bool {
	for _, g := range ctl.gaps {
		if g.open {
			return false
		}
	}
	return true
}

// excused reports whether it is known that a record was lost to the stream.
func (ctl *control) excused(at time.Time) bool {
	for _, g := range ctl.gaps {
		if g.covers(at) {
			return true
		}
	}
	return false
}

func timeOf(item backend.Item, name string) time.Time {
	t, _ := time.Parse(time.RFC3339Nano, backend.Text(item, name)) // zero: not known
	return t
}

func epochOf(item backend.Item) int64 {
	n, _ := strconv.ParseInt(backend.Number(item, "epoch"), 10, 64)
	return n
}

func isTrue(item backend.Item, name string) bool {
	b, ok := item[name].(*types.AttributeValueMemberBOOL)
	return ok && b.Value
}
