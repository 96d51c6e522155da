package rules

// aws is the rules of what an answer of AWS, or of what is in front of it, means, and
// of who is at fault.
var aws = []Rule{
	{
		Name:   "what AWS does not name is trouble of the server",
		File:   "backend/aws/error.go",
		Old:    "code != \"\":\n		return backend.KindUnavailable",
		New:    "code != \"\":\n		return backend.KindInvalid",
		ByTest: true,
	},
	{
		Name:   "an entry's code says whether it is at fault",
		File:   "backend/aws/queue_batch.go",
		Old:    "SenderFault: kind == backend.KindInvalid,",
		New:    "SenderFault: f.SenderFault && kind >= 0,",
		ByTest: true,
	},
	{
		Name:   "an entry that the answer does not name has failed",
		File:   "backend/aws/queue_batch.go",
		Old:    "	for i, ok := range answered {\n		if !ok {",
		New:    "	for i, ok := range answered {\n		if !ok && false {",
		ByTest: true,
	},
	{
		Name:   "an answer is read up to a bound",
		File:   "backend/aws/transport.go",
		Old:    "response.Body = body",
		New:    "_ = body",
		ByTest: true,
	},
	{
		Name:   "an empty answer of DynamoDB is none",
		File:   "backend/aws/transport.go",
		Old:    "if b.some && b.read == 0 && errors.Is(err, io.EOF) {",
		New:    "if b.some && b.read < 0 && errors.Is(err, io.EOF) {",
		ByTest: true,
	},
	{
		Name:   "denied access to the store fails no message",
		File:   "consumer/dedup/claim.go",
		Old:    "loop.Patience = retry.Forever",
		New:    "loop.Patience = patience",
		ByTest: true,
	},
}
