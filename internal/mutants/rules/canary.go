package rules

// canary is the rules of the canary.
var canary = []Rule{
	{
		Name:  "a canary is the newest message of its conversation",
		File:  "canary/way.go",
		Old:   "if !now.After(shown) {",
		New:   "if shown.IsZero() && !now.After(shown) {",
		Tests: "TestCanaryWhoseClockIsSet",
	},
	{
		Name:  "a canary removes nothing before the head is past it",
		File:  "canary/canary.go",
		Old:   "if r.Visible > 0 {\n\t\t\tc.prune(ctx, r)",
		New:   "if r.Stage != Post {\n\t\t\tc.prune(ctx, r)",
		Tests: "TestCanaryRemoves",
	},
	{
		Name:  "the message that opens a canary's conversation stays",
		File:  "canary/prune.go",
		Old:   "\t\tAfter: backend.Key{PK: c.opening.GroupUUID, SK: c.opening.Key()},\n",
		New:   "",
		Tests: "TestCanaryRemoves",
	},
	{
		Name:  "nobody but a canary changes its messages",
		File:  "projector/handle.go",
		Old:   "case r.Event == backend.Remove && postroom.IsCanary(r.Key.PK):",
		New:   "case r.Event != backend.Insert && postroom.IsCanary(r.Key.PK):",
		Tests: "TestCanaryEdits",
	},
}
