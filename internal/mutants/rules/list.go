package rules

import "slices"

// All is every rule there is.
var All = slices.Concat(projector, stream, consumer, aws)

// projector is the rules of the projector.
var projector = []Rule{
	{
		Name: "the first transaction has a condition on the head",
		File: "projector/projection/move.go",
		Old:  "fence = c.head.unchanged()",
		New:  "fence = backend.Condition{}",
	},
	{
		Name:  "further chunks have a condition on the head",
		File:  "projector/projection/move.go",
		Old:   "		Condition: h.unchanged(),\n	}\n	var chunks",
		New:   "	}\n	var chunks",
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
		Name: "completing a move puts before it deletes",
		File: "projector/projection/complete.go",
		Old:  "	if c.head.open {\n		if err := p.putAgain(ctx, c); err != nil {\n			return err\n		}\n	}\n	if c.head.Old",
		New: "	if c.head.open && c.head.Old != \"\" {\n		if err := p.table.Delete(ctx, RowKeys(c.Members, c.head.Old)); err != nil {\n			return err\n		}\n	}\n" +
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
		Name: "of two messages of one time the uuid decides",
		File: "projector/message.go",
		Old:  "return a.Position().Compare(b.Position())",
		New:  "return a.CreatedAt.Compare(b.CreatedAt)",
	},
	{
		Name: "a late arrival moves nothing",
		File: "projector/projection/conversation.go",
		Old:  "c.head.Last.Compare(p) >= 0",
		New:  "c.head.Last.Compare(p) == 0",
	},
	{
		Name: "what was cached is void after an error",
		File: "projector/process.go",
		Old:  "	p.cache.Forget(l.group)\n",
		New:  "",
	},
	{
		Name: "a message is acknowledged only when everybody is notified",
		File: "projector/message.go",
		Old:  "	if m.state == enqueued {\n		m.state = projected\n	} else {\n		m.state = finished\n	}\n",
		New:  "	m.state = finished\n",
	},
	{
		Name: "a failed entry of a batch is sent again",
		File: "projector/notify.go",
		Old:  "again[f.Index] = true",
		New:  "again[f.Index] = f.SenderFault",
	},
	{
		Name: "what nobody had opened is requeued",
		File: "projector/process.go",
		Old:  "	return c, p.requeueWaiting(ctx, l)\n",
		New:  "	return c, nil\n",
	},
	{
		Name: "what was requeued is removed from quarantine",
		File: "projector/message.go",
		Old:  "	if m.quarantined {\n		copies = nil\n	}\n",
		New:  "	if !m.quarantined {\n		copies = nil\n	}\n",
	},
	{
		Name:  "of a batch that fails only the message that fails alone is quarantined",
		File:  "projector/bisect.go",
		Old:   "if failed := l.batch(); failed > 1 {",
		New:   "if failed := l.batch(); failed > 1 && l.suspects > 0 {",
		Tests: "TestP10MixedReasons|TestS11",
	},
	{
		Name:  "nothing more is quarantined when most records would be",
		File:  "projector/quarantine/breaker.go",
		Old:   "if !again && quarantined >= breakerLeast &&",
		New:   "if !again && quarantined < 0 &&",
		Tests: "TestS11Breaker",
	},
	{
		Name:  "a condition that failed comes before the other reasons",
		File:  "projector/process.go",
		Old:   "case is(err, backend.KindConditionFailed):",
		New:   "case backend.KindOf(err) == backend.KindConditionFailed:",
		Tests: "TestP10",
	},
	{
		Name:  "a read that fails condemns no message",
		File:  "projector/process.go",
		Old:   "case errors.As(err, &refused):",
		New:   "case errors.As(err, &refused), backend.KindOf(err) == backend.KindInvalid:",
		Tests: "TestF15",
	},
	{
		Name:  "only what is named as wrong condemns a message",
		File:  "projector/projection/move.go",
		Old:   "if backend.KindOf(err) == backend.KindInvalid {",
		New:   "if err != nil && !backend.Retryable(err) {",
		Tests: "TestF15",
	},
	{
		Name:  "an image is unpacked up to a bound",
		File:  "projector/quarantine/record.go",
		Old:   "io.LimitReader(r, maxImageBytes+1)",
		New:   "r",
		Tests: "TestF19",
	},
	{
		Name:  "a record that is quarantined twice counts once",
		File:  "projector/quarantine/quarantine.go",
		Old:   "return added && !had, err",
		New:   "return !had, err",
		Tests: "TestF16",
	},
	{
		Name:  "what is throttled holds back all calls of the table",
		File:  "projector/limiter.go",
		Old:   "l.limit = max(leastCalls, min(l.limit, float64(l.busy))/2)",
		New:   "l.limit = max(leastCalls, l.limit)",
		Tests: "TestP10LimitOfTheTable",
	},
	{
		Name:  "one hot conversation does not hold back the others",
		File:  "projector/limiter.go",
		Old:   "	l.cutBy[who] = now\n",
		New:   "",
		Tests: "TestP10HotConversations",
	},
	{
		Name: "large conversations leave movers for the others",
		File: "projector/projector.go",
		Old:  "newLanes(max(1, t.Movers/2))",
		New:  "newLanes(t.Movers)",
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
		New:  "		c.opener = \"\"\n		return c, p.findMembers(ctx, c)\n",
	},
	{
		Name: "a message that names other members is quarantined",
		File: "projector/quarantine.go",
		Old:  "return m.Members != nil && !c.Names(m.Members)",
		New:  "return false",
	},
	{
		Name: "nobody is notified before the head decides who the members are",
		File: "projector/process.go",
		Old:  "if !c.Certain() {",
		New:  "if c == nil {",
	},
	{
		Name:  "messages that no inbox shows are a difference",
		File:  "projector/verify/inspect.go",
		Old:   "if f.notShown > 0 {",
		New:   "if f.notShown < 0 {",
		Tests: "TestF4",
	},
	{
		Name:  "a message from the future is counted",
		File:  "projector/clocks.go",
		Old:   "if ahead <= postroom.MaxClockSkew {",
		New:   "if ahead != 0 {",
		Tests: "TestF10",
	},
	{
		Name:  "a clock that is wrong itself makes no message one from the future",
		File:  "projector/clocks.go",
		Old:   "recorded.After(latest) {",
		New:   "recorded.Before(latest) {",
		Tests: "TestF10",
	},
}
