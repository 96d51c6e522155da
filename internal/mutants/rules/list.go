package rules

import "slices"

// All is every rule there is.
var All = slices.Concat(projector, stream)

// projector is the rules of the projector.
var projector = []Rule{
	{
		Name: "the first transaction has a condition on the head",
		File: "projector/move.go",
		Old:  "fence = c.head.unchanged()",
		New:  "fence = backend.Condition{}",
	},
	{
		Name: "further chunks have a condition on the head",
		File: "projector/move.go",
		Old:  "		Condition: h.unchanged(),\n	}\n	var chunks",
		New:  "	}\n	var chunks",
	},
	{
		Name: "a move is settled before the next one",
		File: "projector/settle.go",
		Old:  "if c.head == nil || c.settled {",
		New:  "if c.head == nil || !c.settled {",
	},
	{
		Name: "settling puts all rows again",
		File: "projector/settle.go",
		Old:  "	if c.head.open {\n		if err := m.putAgain(ctx, c); err != nil {\n			return err\n		}\n	}\n",
		New:  "",
	},
	{
		Name: "settling puts before it deletes",
		File: "projector/settle.go",
		Old:  "	if c.head.open {\n		if err := m.putAgain(ctx, c); err != nil {\n			return err\n		}\n	}\n	if c.head.old",
		New: "	if c.head.open && c.head.old != \"\" {\n		if err := m.delete(ctx, rowKeys(c.members, c.head.old)); err != nil {\n			return err\n		}\n	}\n" +
			"	if c.head.open {\n		if err := m.putAgain(ctx, c); err != nil {\n			return err\n		}\n	}\n	if c.head.old",
	},
	{
		Name: "a move puts before it deletes",
		File: "projector/move.go",
		Old:  "	token := tokens(c, p.to)\n",
		New:  "	token := tokens(c, p.to)\n	if err := m.delete(ctx, p.behind); err != nil {\n		return err\n	}\n",
	},
	{
		Name: "the rows that were left are deleted",
		File: "projector/move.go",
		Old:  "	if err := m.delete(ctx, p.behind); err != nil {\n		return err\n	}\n",
		New:  "",
	},
	{
		Name: "old never holds the key of the live rows",
		File: "projector/move.go",
		Old:  "old != to.row(c.group) {",
		New:  "old != \"\" {",
	},
	{
		Name: "of two messages of one time the uuid decides",
		File: "projector/entry.go",
		Old:  "return a.message.Position().Compare(b.message.Position())",
		New:  "return a.message.CreatedAt.Compare(b.message.CreatedAt)",
	},
	{
		Name: "a late arrival moves nothing",
		File: "projector/turn.go",
		Old:  "!c.at(last.Position()) {",
		New:  "c.head == nil || c.head.last != last.Position() {",
	},
	{
		Name: "what was known is void after an error",
		File: "projector/turn.go",
		Old:  "	p.known.forget(l.group)\n",
		New:  "	if c, ok := p.known.get(l.group); ok {\n		c.settled = true\n	}\n",
	},
	{
		Name: "a message is acknowledged only when everybody is told",
		File: "projector/entry.go",
		Old:  "if e.parts.Add(-1) > 0 {",
		New:  "if e.parts.Add(-1) != 1 {",
	},
	{
		Name: "a failed entry of a batch is sent again",
		File: "projector/notify.go",
		Old:  "again[f.Index] = true",
		New:  "again[f.Index] = f.SenderFault",
	},
	{
		Name: "what nobody had opened comes back",
		File: "projector/turn.go",
		Old:  "	return c, p.bringBack(ctx, l)\n",
		New:  "	return c, nil\n",
	},
	{
		Name: "what came back is removed from where it was set aside",
		File: "projector/entry.go",
		Old:  "if e.cleanup != nil && !e.refused.Load() && e.cleanup() != nil {",
		New:  "if e.cleanup != nil && e.refused.Load() && e.cleanup() != nil {",
	},
	{
		Name:   "of a batch that fails only the message that fails alone is set aside",
		File:   "projector/turn.go",
		Old:    "if failed := l.part(); failed > 1 {",
		New:    "if failed := l.part(); failed > 1 && l.suspects > 0 {",
		ByTest: true,
	},
	{
		Name:   "nothing more is set aside when most records would be",
		File:   "projector/circuit.go",
		Old:    "if !again && aside >= circuitLeast &&",
		New:    "if !again && aside < 0 &&",
		ByTest: true,
	},
	{
		Name:   "a condition that failed comes before the other reasons",
		File:   "projector/retry.go",
		Old:    "if is(err, backend.KindConditionFailed) {",
		New:    "if backend.KindOf(err) == backend.KindConditionFailed {",
		ByTest: true,
	},
	{
		Name: "what is throttled holds back all calls of the table",
		File: "projector/pressure.go",
		Old:  "p.limit = max(leastCalls, min(p.limit, float64(p.busy))/2)",
		New:  "p.limit = max(leastCalls, p.limit)",
	},
	{
		Name:   "one hot conversation does not hold back the others",
		File:   "projector/pressure.go",
		Old:    "	p.cutBy[who] = now\n",
		New:    "",
		ByTest: true,
	},
	{
		Name: "large conversations leave movers for the others",
		File: "projector/projector.go",
		Old:  "newLanes(max(1, o.Movers/2))",
		New:  "newLanes(o.Movers)",
	},
}
