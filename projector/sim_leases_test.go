package projector_test

import (
	"strings"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/sim"
)

// tenure is what the checker knows of a shard's lease.
type tenure struct {
	there    bool // it has an item
	owner    string
	checked  int  // how many of the shard's records are known to be done
	finished bool // it was, at some time
	lost     bool // it says that something was
}

func (ctl *control) tenure(id shardID) *tenure {
	t := ctl.leases[id]
	if t == nil {
		t = &tenure{}
		ctl.leases[id] = t
	}
	return t
}

// leased looks at a change of a shard's item.
func (ctl *control) leased(by string, id shardID, before, after backend.Item) {
	t := ctl.tenure(id)
	t.there, t.owner = after != nil, backend.Text(after, "worker")
	switch {
	case by == "": // an operator
		if after == nil {
			ctl.meddled = true
			*t = tenure{finished: t.finished}
		}
		return
	case after == nil:
		if !isTrue(before, "finished") {
			ctl.check.violation("%s: %s removes the lease of %s, which is not finished", ctl.name, by, id.shard)
		}
		return
	case before != nil:
		ctl.succession(by, id, before, after)
	}
	t.lost = t.lost || backend.Text(after, "lost") != ""
	ctl.checkpointed(by, id, t, before, after)
}

// succession looks at who writes a lease that is there: its owner, or who takes
// it with the next epoch from nobody or from the dead, and leaves the
// checkpoint as it was.
func (ctl *control) succession(by string, id shardID, before, after backend.Item) {
	say := func(what string) {
		ctl.check.violation("%s: %s writes the lease of %s: %s\nbefore %s\nafter  %s", ctl.name, by, id.shard, what,
			leaseText(before), leaseText(after))
	}
	owner, session := backend.Text(before, "worker"), backend.Text(before, "session")
	next := backend.Text(after, "session")
	switch grown := epochOf(after) - epochOf(before); {
	case grown < 0:
		say("the epoch goes back")
	case grown == 0 && next != session && next != "":
		say("another session has it in the same epoch")
	case grown == 0 && by != owner:
		say("it is not its own")
	case grown > 0 && by != owner && backend.Text(after, "worker") != by:
		say("it gives away what is not its own")
	case grown > 0 && by != owner && backend.Text(after, "checkpoint") != backend.Text(before, "checkpoint"):
		say("the checkpoint moves with the owner")
	case grown > 0 && by != owner && ctl.living(id.arn, session) != nil:
		say("its owner has a live item")
	}
	if isTrue(before, "finished") && !isTrue(after, "finished") {
		say("it is not finished any more")
	}
}

func leaseText(item backend.Item) string {
	var b strings.Builder
	for _, name := range []string{"worker", "session", "checkpoint", "lost"} {
		b.WriteString(name + " " + backend.Text(item, name) + ", ")
	}
	return b.String() + "epoch " + backend.Number(item, "epoch")
}

// checkpointed looks at how far a lease says that all is done.
func (ctl *control) checkpointed(by string, id shardID, t *tenure, before, after backend.Item) {
	sequence, was := backend.Text(after, "checkpoint"), ""
	if before != nil {
		was = backend.Text(before, "checkpoint")
	}
	if backend.CompareSequence(sequence, was) < 0 && !t.lost {
		ctl.check.violation("%s: %s takes the checkpoint of %s back from %s to %s", ctl.name, by, id.shard, was, sequence)
	}
	finishes := isTrue(after, "finished") && (before == nil || !isTrue(before, "finished"))
	if sequence == was && !finishes {
		return
	}
	sh := ctl.check.world.store.Shard(id.arn, id.shard)
	if sh == nil {
		ctl.check.violation("%s: %s has a checkpoint in %s, which never was", ctl.name, by, id.shard)
		return
	}
	if finishes && !sh.Closed {
		ctl.check.violation("%s: %s finishes %s, which is open", ctl.name, by, id.shard)
	}
	t.finished = t.finished || finishes
	ctl.mayRead(by, id, "checkpoints")
	for t.checked < len(sh.Records) &&
		(finishes || backend.CompareSequence(sh.Records[t.checked].Sequence, sequence) <= 0) {
		ctl.passed(by, sh, sh.Records[t.checked], t.checked < sh.Trimmed())
		t.checked++
	}
}

// passed looks at a record that a checkpoint has passed.
func (ctl *control) passed(by string, sh *sim.Shard, r backend.Record, trimmed bool) {
	if r.Event != backend.Insert || !strings.HasPrefix(r.Key.SK, postroom.MessagePrefix) {
		return
	}
	p := ctl.check.messages[r.Key]
	switch {
	case ctl.check.done(ctl, p):
		if ctl.name == "control" && p.passed.IsZero() {
			p.passed = time.Now()
		}
	case !trimmed:
		ctl.check.violation("%s: %s acknowledges %s of %s, message %v, which is not done", ctl.name, by, r.Sequence, sh.ID, r.Key)
	case !ctl.excused(r.CreatedAt) && !ctl.unpromised(p):
		ctl.check.violation("%s: %s goes past %s of %s, message %v, which was trimmed, without a word", ctl.name, by, r.Sequence, sh.ID, r.Key)
	}
}

// mayRead checks that a shard's parent is finished, or nothing is known of it.
func (ctl *control) mayRead(by string, id shardID, what string) {
	store := ctl.check.world.store
	sh := store.Shard(id.arn, id.shard)
	if sh == nil || sh.Parent == "" || ctl.meddled {
		return
	}
	parent := store.Shard(id.arn, sh.Parent)
	if parent.Gone() || parent.Overlooked || ctl.tenure(shardID{id.arn, sh.Parent}).finished {
		return
	}
	ctl.check.violation("%s: %s %s %s before its parent %s is finished", ctl.name, by, what, id.shard, sh.Parent)
}

// opens looks at when a shard begins to be read.
func (ctl *control) opens(arn, shard string) {
	ctl.mayRead("somebody", shardID{arn, shard}, "opens")
}
