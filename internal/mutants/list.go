package main

// mutant is one rule taken out.
type mutant struct {
	rule     string
	file     string
	old, new string
}

var mutants = []mutant{
	{
		rule: "the first transaction has a condition on the head",
		file: "projector/move.go",
		old:  "fence = c.head.unchanged()",
		new:  "fence = backend.Condition{}",
	},
	{
		rule: "further chunks have a condition on the head",
		file: "projector/move.go",
		old:  "		Condition: h.unchanged(),\n	}\n	var chunks",
		new:  "	}\n	var chunks",
	},
	{
		rule: "a move is settled before the next one",
		file: "projector/settle.go",
		old:  "if c.head == nil || c.settled {",
		new:  "if c.head == nil || !c.settled {",
	},
	{
		rule: "settling puts all rows again",
		file: "projector/settle.go",
		old:  "	if c.head.open {\n		if err := m.putAgain(ctx, c); err != nil {\n			return err\n		}\n	}\n",
		new:  "",
	},
	{
		rule: "settling puts before it deletes",
		file: "projector/settle.go",
		old:  "	if c.head.open {\n		if err := m.putAgain(ctx, c); err != nil {\n			return err\n		}\n	}\n	if c.head.old",
		new: "	if c.head.open && c.head.old != \"\" {\n		if err := m.delete(ctx, rowKeys(c.members, c.head.old)); err != nil {\n			return err\n		}\n	}\n" +
			"	if c.head.open {\n		if err := m.putAgain(ctx, c); err != nil {\n			return err\n		}\n	}\n	if c.head.old",
	},
	{
		rule: "a move puts before it deletes",
		file: "projector/move.go",
		old:  "	token := tokens(c, p.to)\n",
		new:  "	token := tokens(c, p.to)\n	if err := m.delete(ctx, p.behind); err != nil {\n		return err\n	}\n",
	},
	{
		rule: "the rows that were left are deleted",
		file: "projector/move.go",
		old:  "	if err := m.delete(ctx, p.behind); err != nil {\n		return err\n	}\n",
		new:  "",
	},
	{
		rule: "old never holds the key of the live rows",
		file: "projector/move.go",
		old:  "old != to.row(c.group) {",
		new:  "old != \"\" {",
	},
	{
		rule: "of two messages of one time the uuid decides",
		file: "projector/entry.go",
		old:  "return a.message.Position().Compare(b.message.Position())",
		new:  "return a.message.CreatedAt.Compare(b.message.CreatedAt)",
	},
	{
		rule: "a late arrival moves nothing",
		file: "projector/turn.go",
		old:  "!c.at(last.Position()) {",
		new:  "c.head == nil || c.head.last != last.Position() {",
	},
	{
		rule: "what was known is void after an error",
		file: "projector/turn.go",
		old:  "	p.known.forget(l.group)\n",
		new:  "	if c, ok := p.known.get(l.group); ok {\n		c.settled = true\n	}\n",
	},
	{
		rule: "a message is acknowledged only when everybody is told",
		file: "projector/entry.go",
		old:  "	e.parts.Store(2)\n",
		new:  "	e.parts.Store(1)\n",
	},
	{
		rule: "a failed entry of a batch is sent again",
		file: "projector/notify.go",
		old:  "again[f.Index] = !f.SenderFault ||",
		new:  "again[f.Index] = f.SenderFault &&",
	},
	{
		rule: "what nobody had opened comes back",
		file: "projector/turn.go",
		old:  "	return c, p.bringBack(ctx, l)\n",
		new:  "	return c, nil\n",
	},
	{
		rule: "what came back is removed from where it was set aside",
		file: "projector/entry.go",
		old:  "if e.cleanup != nil && !e.refused.Load() && e.cleanup() != nil {",
		new:  "if e.cleanup != nil && e.refused.Load() && e.cleanup() != nil {",
	},
}
