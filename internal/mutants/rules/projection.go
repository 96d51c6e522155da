package rules

// projection is the rules of conversations: their heads and rows, and how they move.
var projection = []Rule{
	{
		Name:  "the first transaction has a condition on the head",
		File:  "projector/projection/move.go",
		Old:   "fence = c.head.unchanged()",
		New:   "fence = backend.Condition{}",
		Tests: "TestP12PlanOfAMove",
	},
	{
		Name:  "further chunks have a condition on the head",
		File:  "projector/projection/move.go",
		Old:   "SK: postroom.HeadKey}, Condition: c}",
		New:   "SK: postroom.HeadKey}}",
		Tests: "TestP12PlanOfAMove",
	},
	{
		Name: "a move is completed before the next one",
		File: "projector/projection/complete.go",
		Old:  "if c.head == nil || c.completed {",
		New:  "if c.head == nil || !c.completed {",
	},
	{
		Name: "completing a move puts all rows again",
		File: "projector/projection/complete.go",
		Old:  "	if c.head.open {\n		if err := p.putAgain(ctx, c); err != nil {\n			return err\n		}\n	}\n",
		New:  "",
	},
	{
		Name:  "completing a move puts before it deletes",
		File:  "projector/projection/complete.go",
		Old:   "	if c.head.open {\n		if err := p.putAgain(ctx, c); err != nil {\n			return err\n		}\n	}\n	if c.head.Old",
		Tests: "TestCompletePuts",
		New: "	if c.head.open && c.head.Old != \"\" {\n		if err := p.table.Delete(ctx, RowKeys(c.head.at.all(), c.Members, c.head.Old)); err != nil {\n			return err\n		}\n	}\n" +
			"	if c.head.open {\n		if err := p.putAgain(ctx, c); err != nil {\n			return err\n		}\n	}\n	if c.head.Old",
	},
	{
		Name: "a move puts before it deletes",
		File: "projector/projection/move.go",
		Old:  "	token := tokens(c, plan.to)\n",
		New:  "	token := tokens(c, plan.to)\n	if err := p.table.Delete(ctx, plan.left); err != nil {\n		return err\n	}\n",
	},
	{
		Name: "the rows that were left are deleted",
		File: "projector/projection/move.go",
		Old:  "	if err := p.table.Delete(ctx, plan.left); err != nil {\n		return err\n	}\n",
		New:  "",
	},
	{
		Name: "old never holds the key of the live rows",
		File: "projector/projection/move.go",
		Old:  "old != to.Row(c.Group) {",
		New:  "old != \"\" {",
	},
	{
		Name: "a late arrival moves nothing",
		File: "projector/projection/conversation.go",
		Old:  "c.head.Last.Compare(p) >= 0",
		New:  "c.head.Last.Compare(p) == 0",
	},
	{
		Name:  "only what is named as wrong condemns a message",
		File:  "projector/projection/move.go",
		Old:   "if backend.KindOf(err) == backend.KindInvalid {",
		New:   "if err != nil && !backend.Retryable(err) {",
		Tests: "TestF15",
	},
	{
		Name:  "a conversation that is derived from two people is not for two others",
		File:  "derived.go",
		Old:   "own != groupUUID {",
		New:   "own == \"\" {",
		Tests: "TestF14",
	},
	{
		Name:  "a conversation that is derived from two people is not for more",
		File:  "derived.go",
		Old:   "if len(members) != MinMembers {",
		New:   "if len(members) < MinMembers {",
		Tests: "TestF14",
	},
	{
		Name: "the head decides for good who the members are",
		File: "projector/projection/load.go",
		Old:  "		return c, p.readMembers(ctx, c, items[1:])\n",
		New:  "		c.opener = \"\"\n		return c, p.findMembers(ctx, c, page)\n",
	},
	{
		Name:  "filling a view fails what was planned before",
		File:  "projector/projection/head.go",
		Old:   "		attrMovedAt:         item.String(postroom.FormatTime(h.MovedAt)),\n",
		New:   "",
		Tests: "TestFilling",
	},
	{
		Name:  "what is put again has a token of its own",
		File:  "projector/projection/complete.go",
		Old:   "uuid.NewString(), actions)",
		New:   "uuid.NewSHA1(uuid.Nil, []byte(actions[len(actions)-1].Key().PK)).String(), actions)",
		Tests: "TestRestore|TestRepair",
	},
	{
		Name:  "where a move has left the rows is before where they are",
		File:  "projector/projection/head.go",
		Old:   "case h.Old >= h.Row(group):",
		New:   "case h.Old == \"\":",
		Tests: "TestP15F11|TestRestore",
	},
}
