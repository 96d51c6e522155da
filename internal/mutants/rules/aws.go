package rules

// aws is the rules of what an answer of AWS, or of what is in front of it, means, and
// of who is at fault.
var aws = []Rule{
	{
		Name:  "what AWS does not name is a failure of the server",
		File:  "backend/aws/error.go",
		Old:   "code != \"\":\n		return backend.KindUnavailable",
		New:   "code != \"\":\n		return backend.KindInvalid",
		Tests: "TestF15",
	},
	{
		Name:  "an entry's code says whether it is at fault",
		File:  "backend/aws/queue_batch.go",
		Old:   "SenderFault: kind == backend.KindInvalid,",
		New:   "SenderFault: f.SenderFault && kind >= 0,",
		Tests: "TestF16",
	},
	{
		Name:  "an entry that the answer does not name has failed",
		File:  "backend/aws/queue_batch.go",
		Old:   "	for i, ok := range answered {\n		if !ok {",
		New:   "	for i, ok := range answered {\n		if !ok && false {",
		Tests: "TestF16",
	},
	{
		Name:  "an answer is read up to a bound",
		File:  "backend/aws/transport.go",
		Old:   "response.Body = body",
		New:   "_ = body",
		Tests: "TestF19",
	},
	{
		Name:  "an empty answer of DynamoDB is none",
		File:  "backend/aws/transport.go",
		Old:   "if b.some && b.read == 0 && errors.Is(err, io.EOF) {",
		New:   "if b.some && b.read < 0 && errors.Is(err, io.EOF) {",
		Tests: "TestF15",
	},
	{
		Name:  "denied access to the store fails no message",
		File:  "consumer/dedup/claim.go",
		Old:   "loop.Patience = retry.Forever",
		New:   "loop.Patience = patience",
		Tests: "TestF16",
	},
}
