package rules

// consumer is the rules of the consumer.
var consumer = []Rule{
	{
		Name:  "a refused extension says nothing of a newer receipt",
		File:  "consumer/extend.go",
		Old:   "		case c.Receipt != c.receipt: // received again meanwhile\n",
		New:   "",
		Tests: "TestQ5",
	},
	{
		Name:  "what is received again is extended again",
		File:  "consumer/message.go",
		Old:   "m.Receipt, m.receivedAt, m.unextended = receipt, now, false",
		New:   "m.Receipt, m.receivedAt = receipt, now",
		Tests: "TestQ5",
	},
}
