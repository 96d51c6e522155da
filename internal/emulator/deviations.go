package emulator

import "github.com/postroom/postroom/backend/backendtest"

// Pairs are the servers for tables and for queues that are tried with one another.
// The first is the zero [Set].
func Pairs() []*Set {
	return []*Set{
		{Tables: Dynoxide, Queues: Fauxqs},
		{Tables: Moto, Queues: Moto},
		{Tables: Dynoxide, Queues: LocalStack},
		{Tables: Dynoxide, Queues: ElasticMQ},
	}
}

// String is the names of the two servers, as "dynoxide+fauxqs".
func (s *Set) String() string {
	tables, queues := s.servers()
	return string(tables) + "+" + string(queues)
}

// Capabilities is what the servers can show of AWS, to a test that may close the
// backend.
func (s *Set) Capabilities() backendtest.Capabilities {
	c := backendtest.Capabilities{Closes: true}
	tables, queues := s.servers()
	switch tables {
	case Dynoxide:
		c.ConsumedCapacity, c.TokenReplay, c.DeletionProtection, c.TimeToLive = true, true, true, true
		// FailedConditionUnits: DynamoDB does not report them.
		// PointInTimeRecovery: it is not known.
		// ManyShards, Rolls: there is one shard for ever.
		// NoOpWritesSilent: every put leaves a record.
	case Moto:
		c.DeletionProtection, c.TimeToLive, c.PointInTimeRecovery = true, true, true
		// ConsumedCapacity: every write is a unit, whatever its size.
		// TokenReplay: a token is ignored.
		// The others as above.
	}
	switch queues {
	case Fauxqs, Moto, LocalStack, ElasticMQ:
		c.DeduplicationWindow, c.DeadLetters, c.ExactDepth, c.QueueDescription = true, true, true, true
		// ExpiredReceiptFails: all let it succeed, or refuse it with another code.
		// Retention: there is no clock to move.
	}
	// fauxqs gives one message of a group at a time.
	c.GroupReceivedTogether = queues != Fauxqs
	return c
}

// Deviations are the sentences of backendtest that the servers break, each with the
// reason.
func (s *Set) Deviations() map[string]string {
	all := map[string]string{}
	tables, queues := s.servers()
	for _, server := range []Server{tables, queues} {
		for sentence, why := range deviations(server) {
			all[sentence] = string(server) + " " + why
		}
	}
	return all
}

func deviations(s Server) map[string]string {
	switch s {
	case Dynoxide:
		return ofDynoxide()
	case Fauxqs:
		return ofFauxqs()
	case Moto:
		return ofMoto()
	case LocalStack:
		return ofLocalStack()
	default:
		return ofElasticMQ()
	}
}

func ofDynoxide() map[string]string {
	return map[string]string{
		"SKPrefix selects the sort keys that begin with it":                                        "takes upper and lower case for the same in begins_with",
		"the listing shows every shard once, and at least one open shard":                          "ignores ExclusiveStartShardId",
		"a Scan goes on after a page that was deleted":                                             "leaves out items where the key to go on after is gone",
		"a shard that does not exist is KindNotFound":                                              "gives an iterator of any shard",
		"S24 a table that was deleted and created again has a new stream, without the old records": "keeps a deleted table's records",
	}
}

func ofFauxqs() map[string]string {
	return map[string]string{
		"a standard queue needs no group, and its messages do not block one another":          "drops the group on a standard queue",
		"the visibility of a deleted message cannot be changed":                               "answers ReceiptHandleIsInvalid, SQS InvalidParameterValue",
		"Q11: an invalid receipt fails its entry only, by the sender's fault":                 "takes any receipt for a deleted message's",
		"Q10: a waiting receive returns soon after its context is done, and takes no message": "gives a message to a receiver that has hung up" + backendtest.NowAndThen,
		"the same deduplication id in another group is another message":                       "does not know DeduplicationScope",
		"group and deduplication ids have up to 128 letters, digits and punctuation marks":    "takes any id",
		"Q2: an attribute that SQS refuses fails its entry only, by the sender's fault":       "takes any attribute",
		"an empty body is refused":                              "takes it",
		"the dead-letter queue must be of the same type":        "takes any",
		"CreateQueue with settings out of range is KindInvalid": "takes any name",
	}
}

func ofLocalStack() map[string]string {
	return map[string]string{
		"Q3: visibility ends 12 hours after the first receive":                                "takes more than 12 hours",
		"the visibility of a deleted message cannot be changed":                               "answers InvalidParameterValueException, SQS InvalidParameterValue",
		"releasing the first message of a group does not free the second":                     "gives the third with the first",
		"an empty body is refused":                                                            "answers MissingRequiredParameterException, SQS MissingParameter",
		"Q2: an attribute that SQS refuses fails its entry only, by the sender's fault":       "takes some, and names another code",
		"group and deduplication ids have up to 128 letters, digits and punctuation marks":    "takes any id",
		"the dead-letter queue must be of the same type":                                      "takes any",
		"CreateQueue with settings out of range is KindInvalid":                               "takes some of them",
		"Q10: a waiting receive returns soon after its context is done, and takes no message": "gives a message to a receiver that has hung up" + backendtest.NowAndThen,
	}
}

func ofElasticMQ() map[string]string {
	return map[string]string{
		"Q7: at the receive after MaxReceiveCount a message moves to the dead-letter queue, and its group goes on": "gives it another deduplication id",
		"Q3: visibility ends 12 hours after the first receive":                                                     "takes more than 12 hours",
		"on a standard queue an older receipt succeeds, and the newest one counts":                                 "knows the newest receipt only",
		"the visibility of a deleted message cannot be changed":                                                    "answers ReceiptHandleIsInvalid, SQS InvalidParameterValue",
		"Q11: deleting twice with one receipt is not an error":                                                     "refuses the receipt of a deleted message",
		"Q10: a waiting receive returns soon after its context is done, and takes no message":                      "gives a message to a receiver that has hung up" + backendtest.NowAndThen,
		"Q2: an attribute that SQS refuses fails its entry only, by the sender's fault":                            "takes some, and cannot read others",
		"attributes count as bytes of their message, with name and type":                                           "counts the body alone",
		"a batch has 1 to MaxQueueBatch entries, or is KindInvalid":                                                "takes an empty one",
		"group and deduplication ids have up to 128 letters, digits and punctuation marks":                         "takes any id",
		"Q2: a body with a character that SQS refuses fails its entry only, by the sender's fault":                 "has the code InvalidAttributeValue, SQS InvalidMessageContents",
		"DescribeQueue returns the shape of a queue":                                                               "has no retention",
		"the dead-letter queue must be of the same type":                                                           "takes any",
		"CreateQueue with settings out of range is KindInvalid":                                                    "takes some of them",
		"the same deduplication id in another group is another message":                                            "does not know DeduplicationScope",
	}
}
