package rules

// replay is the rules of replays.
var replay = []Rule{
	{
		Name:  "a replay is written only as it was read",
		File:  "projector/replay/store.go",
		Old:   "r.encode(), before.unchanged(), decode)",
		New:   "r.encode(), backend.Condition{}, decode)",
		Tests: "TestReplayStoppedAndResumed",
	},
	{
		Name:  "a replay is as far as all before it is done",
		File:  "projector/replay/carry.go",
		Old:   "for finished < len(c.chunks) && c.chunks[finished].left == 0 {",
		New:   "for finished < len(c.chunks) {",
		Tests: "TestReplayKilledAndResumed",
	},
	{
		Name:  "how far a replay is moves with what it counts",
		File:  "projector/replay/carry.go",
		Old:   "next.after, next.Counts = c.chunks[finished].last, next.Counts.add",
		New:   "next.after, next.Counts = c.chunks[finished].last, before.Counts.add",
		Tests: "TestReplayKilledAndResumed",
	},
	{
		Name:  "a worker that may have lost a replay submits nothing",
		File:  "projector/replay/carry.go",
		Old:   " && time.Since(c.saved) < stale",
		New:   "",
		Tests: "TestFrozenReplaySubmitsNothing",
	},
	{
		Name:  "a replay that loses the stream goes through the log",
		File:  "projector/replay/follow.go",
		Old:   "r.Source, r.Counts, r.Holder = Log, Counts{}, \"\"",
		New:   "r.Holder = \"\"",
		Tests: "TestReplayLosesTheStream",
	},
	{
		Name:  "nobody is owed a notification of a replay",
		File:  "projector/replay/carry.go",
		Old:   "		r.Silent = true\n",
		New:   "		r.Silent = !c.selection.Notify\n",
		Tests: "TestReplayQuarantinesSilently",
	},
	{
		Name:  "what is owed is not sent as a replay",
		File:  "projector/message.go",
		Old:   "m.record.Silent, m.replay = false, nil",
		New:   "m.record.Silent = false",
		Tests: "TestReplayFindsWhatIsOwed",
	},
	{
		Name:  "a replay has deduplication ids of its own",
		File:  "notification.go",
		Old:   "	if n.Replay == \"\" {\n",
		New:   "	if n.Replay != \"\" {\n",
		Tests: "TestReplayedNotification",
	},
}
