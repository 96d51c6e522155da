package emulator

import "github.com/postroom/postroom/backend/backendtest"

// Capabilities is what the servers can show of AWS, to a test that may close the
// backend.
func Capabilities() backendtest.Capabilities {
	return backendtest.Capabilities{
		ConsumedCapacity:   true,
		TokenReplay:        true,
		DeletionProtection: true,
		TimeToLive:         true,
		Closes:             true,
		// FailedConditionUnits: DynamoDB does not report them.
		// PointInTimeRecovery: dynoxide does not know it.
		// ManyShards, Rolls: dynoxide has one shard for ever.
		// NoOpWritesSilent: dynoxide makes a record of every put.

		DeduplicationWindow: true,
		DeadLetters:         true,
		ExactDepth:          true,
		QueueDescription:    true,
		// ExpiredReceiptFails: fauxqs lets it succeed.
		// GroupReceivedTogether: fauxqs gives one message of a group at a time.
	}
}

// Deviations are the sentences of backendtest that the servers break, each with the
// reason.
func Deviations() map[string]string {
	return map[string]string{
		"SKPrefix selects the sort keys that begin with it":                                        "dynoxide's begins_with takes upper and lower case for the same",
		"the listing shows every shard once, and at least one open shard":                          "dynoxide ignores ExclusiveStartShardId",
		"a shard that does not exist is KindNotFound":                                              "dynoxide gives an iterator of any shard",
		"S24 a table that was deleted and created again has a new stream, without the old records": "dynoxide keeps a deleted table's records",

		"a standard queue needs no group, and its messages do not block one another":          "fauxqs drops the group on a standard queue",
		"the visibility of a deleted message cannot be changed":                               "fauxqs answers ReceiptHandleIsInvalid, SQS InvalidParameterValue",
		"Q11: an invalid receipt fails its entry only, by the sender's fault":                 "fauxqs takes any receipt for a deleted message's",
		"Q10: a waiting receive returns soon after its context is done, and takes no message": "fauxqs gives a message to a receiver that has hung up",
		"the same deduplication id in another group is another message":                       "fauxqs does not know DeduplicationScope",
		"group and deduplication ids have up to 128 letters, digits and punctuation marks":    "fauxqs takes any id",
		"Q2: an attribute that SQS refuses fails its entry only, by the sender's fault":       "fauxqs takes any attribute",
		"an empty body is refused":                              "fauxqs takes it",
		"the dead-letter queue must be of the same type":        "fauxqs takes any",
		"CreateQueue with settings out of range is KindInvalid": "fauxqs takes any name",
	}
}
