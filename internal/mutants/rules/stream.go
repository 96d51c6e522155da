package rules

// stream is the rules of the stream's reader, of the sequence numbers that it
// compares, and of the recovery of what is lost to it.
var stream = []Rule{
	{
		Name: "a child begins at the trim horizon",
		File: "stream/shard.go",
		Old:  "backend.Position{Type: backend.TrimHorizon}",
		New:  "backend.Position{Type: backend.AfterSequence, Sequence: \"9999999999999999999999999999999999999999\"}",
	},
	{
		Name: "the last records of a shard come without an iterator",
		File: "stream/shard.go",
		Old:  "	if err := s.deliver(ctx, page.Records); err != nil {\n		return 0, err\n	}\n	if page.Next == \"\" {",
		New:  "	if page.Next == \"\" {\n		page.Records = nil\n	}\n	if err := s.deliver(ctx, page.Records); err != nil {\n		return 0, err\n	}\n	if page.Next == \"\" {",
	},
	{
		Name: "a checkpoint is written under its epoch",
		File: "stream/lease.go",
		Old:  "next.encode(leaseKey(l.arn, next.shard)), cur.unchanged())",
		New:  "next.encode(leaseKey(l.arn, next.shard)), backend.Condition{Absent: cur.epoch == 0})",
	},
	{
		Name: "a checkpoint stays before what is not acknowledged",
		File: "stream/tracker.go",
		Old:  "for t.head < len(p.records) && p.records[t.head].state == acknowledged {",
		New:  "for t.head < len(p.records) {",
	},
	{
		Name: "a child waits until its parent is finished",
		File: "stream/plan.go",
		Old:  "return l.parent == \"\" || !known || parent.finished",
		New:  "return l.parent == \"\" || !known || parent.epoch > 0",
	},
	{
		Name: "sequence numbers are compared as numbers",
		File: "backend/stream.go",
		Old:  "	if len(a) != len(b) {",
		New:  "	if len(a) != len(b) && (a == \"\" || b == \"\") {",
	},
	{
		Name: "a finished shard is remembered",
		File: "stream/discover.go",
		Old:  "if l.finished && !needed[id] && r.opt.Now().Sub(l.finishedAt) > forgetAfter {",
		New:  "if l.finished {",
	},
	{
		Name: "what was trimmed unread is a loss",
		File: "stream/mend.go",
		Old:  "	if s.opt.OnDataLoss != nil {",
		New:  "	if s.opt.OnDataLoss != nil && loss.Err != nil {\n		return nil\n	}\n	if s.opt.OnDataLoss != nil {",
	},
	{
		Name: "a worker lives by its counter, not by its clock",
		File: "stream/fleet.go",
		Old:  "silent, most := r.fleet.workers.see(s, r.opt.LeaseDuration/3), max(",
		New:  "silent, most := r.opt.Now().Sub(s.renewedAt), max(",
	},
	{
		Name: "a worker is dead only if its counter still stands",
		File: "stream/fleet.go",
		Old:  "dead.encode(key), s.unchanged())",
		New:  "dead.encode(key), backend.Condition{})",
	},
	{
		Name:   "a worker that could not be declared dead lives",
		File:   "stream/fleet.go",
		Old:    "return found.dead || found.run == \"\", nil",
		New:    "return true, nil",
		ByTest: true,
	},
	{
		Name:   "a lease that was given away is not written",
		File:   "stream/save.go",
		Old:    "		if s.lease.run != s.run.id {\n			return nil\n		}\n",
		New:    "",
		ByTest: true,
	},
	{
		Name: "who lives is seen after who owns what",
		File: "stream/fleet.go",
		Old:  "	if signs, err = r.signs(ctx); err != nil {\n		return err\n	}\n",
		New:  "",
	},
	{
		Name: "a recovery does not notify of everything",
		File: "projector/recovergap.go",
		Old:  "return !g.Quiet && !at.After(",
		New:  "return true || !at.After(",
	},
	{
		Name: "a recovery notifies of what was lost",
		File: "projector/recovergap.go",
		Old:  "return !g.Quiet && !at.After(",
		New:  "return false && !at.After(",
	},
}
