package rules

// stream is the rules of the stream's reader, of the sequence numbers that it
// compares, and of the backfill of what it has lost.
var stream = []Rule{
	{
		Name: "a child begins at the trim horizon",
		File: "stream/internal/shard/read.go",
		Old:  "backend.Position{Type: backend.TrimHorizon}",
		New:  "backend.Position{Type: backend.AfterSequence, Sequence: \"9999999999999999999999999999999999999999\"}",
	},
	{
		Name: "the last records of a shard come without an iterator",
		File: "stream/internal/shard/read.go",
		Old:  "	if err := s.deliver(ctx, page.Records); err != nil {\n		return 0, err\n	}\n	if page.Next == \"\" {",
		New:  "	if page.Next == \"\" {\n		page.Records = nil\n	}\n	if err := s.deliver(ctx, page.Records); err != nil {\n		return 0, err\n	}\n	if page.Next == \"\" {",
	},
	{
		Name: "a checkpoint is written under its epoch",
		File: "stream/internal/lease/store.go",
		Old:  "next.Encode(s.ARN), cur.unchanged(), Decode)",
		New:  "next.Encode(s.ARN), backend.Condition{Absent: cur.Epoch == 0}, Decode)",
	},
	{
		Name: "a checkpoint stays before what is not acknowledged",
		File: "stream/internal/shard/tracker.go",
		Old:  "for t.head < len(p.entries) && p.entries[t.head].state == acknowledged {",
		New:  "for t.head < len(p.entries) {",
	},
	{
		Name: "a child waits until its parent is finished",
		File: "stream/internal/lease/item.go",
		Old:  "return l.Parent == \"\" || !known || parent.Finished",
		New:  "return l.Parent == \"\" || !known || parent.Epoch > 0",
	},
	{
		Name: "sequence numbers are compared as numbers",
		File: "backend/stream.go",
		Old:  "cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))",
		New:  "cmp.Compare(a, b)",
	},
	{
		Name: "a finished shard is remembered",
		File: "stream/internal/lineage/sync.go",
		Old:  "if one.Finished && !needed[id] && s.Now().Sub(one.FinishedAt) > keepFinished {",
		New:  "if one.Finished {",
	},
	{
		Name: "what was trimmed unread is a loss",
		File: "stream/internal/shard/readerror.go",
		Old:  "	recorded, err := s.env.Record(ctx, loss)",
		New:  "	if loss.Err != nil {\n		return nil\n	}\n	recorded, err := s.env.Record(ctx, loss)",
	},
	{
		Name: "a worker lives by its counter, not by its clock",
		File: "stream/internal/membership/group.go",
		Old:  "silent, most := g.detector.observe(w, g.LeaseDuration/3), max(",
		New:  "silent, most := g.Now().Sub(w.RenewedAt), max(",
	},
	{
		Name: "a session is expired only if its counter still stands",
		File: "stream/internal/membership/group.go",
		Old:  "expired.Encode(g.ARN), w.unchanged(), DecodeWorker)",
		New:  "expired.Encode(g.ARN), backend.Condition{}, DecodeWorker)",
	},
	{
		Name:   "a session that could not be expired lives",
		File:   "stream/internal/membership/group.go",
		Old:    "return found.Expired || found.Session == \"\", nil",
		New:    "return true, nil",
		ByTest: true,
	},
	{
		Name:   "a worker does not know what it has not looked at",
		File:   "stream/checkpoint.go",
		Old:    "if tip.IsZero() || !s.recent(asked) {",
		New:    "if tip.IsZero() || asked.IsZero() {",
		ByTest: true,
	},
	{
		Name:   "the beginning of a shard that was not read for a day is lost",
		File:   "stream/internal/shard/readerror.go",
		Old:    "s.env.Now().Sub(s.unreadSince()) > backend.StreamRetention",
		New:    "false",
		ByTest: true,
	},
	{
		Name:   "a lease that was transferred is not written",
		File:   "stream/internal/lease/handle.go",
		Old:    "		if cur.Session != h.store.Owner.Session {\n			return nil // transferred\n		}\n",
		New:    "",
		ByTest: true,
	},
	{
		Name: "heartbeats are read after the leases",
		File: "stream/group.go",
		Old:  "	if live, err = s.live(ctx); err != nil {\n		return err\n	}\n",
		New:  "",
	},
	{
		Name: "a backfill does not notify of everything",
		File: "projector/backfill/gap.go",
		Old:  "return !g.Silent && !at.After(",
		New:  "return true || !at.After(",
	},
	{
		Name: "a backfill notifies of what was lost",
		File: "projector/backfill/gap.go",
		Old:  "return !g.Silent && !at.After(",
		New:  "return false && !at.After(",
	},
}
