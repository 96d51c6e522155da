package emulator

import "github.com/postroom/postroom/backend/backendtest"

func ofMoto() map[string]string {
	return map[string]string{
		"SetTimeToLive switches a table's time to live on, and DescribeTable reports it":              "answers ResourceNotFound, DynamoDB ResourceNotFoundException",
		"a token has at most 36 characters":                                                           "ignores tokens",
		"Transact of no actions, of too many, or of two on one key is KindInvalid and writes nothing": "takes none",
		"BatchWrite of no keys, of too many or of equal keys is KindInvalid and writes nothing":       "takes them",
		"BatchGet of no keys, of too many or of equal keys is KindInvalid":                            "takes none",
		"an item whose index keys are empty or not strings is KindInvalid":                            "takes it",
		"an item may have MaxItemBytes, and not one more":                                             "refuses the largest",

		"simultaneous transactions on one item all succeed, one after the other": "loses one" + backendtest.NowAndThen,

		"the listing shows every shard once, and at least one open shard": "ignores ExclusiveStartShardId",
		"a shard that does not exist is KindNotFound":                     "fails with status 500",

		"Q12: a deduplication id is remembered for five minutes, even if the message was deleted":                         "forgets it with the message",
		"the visibility of a deleted message cannot be changed":                                                           "answers ReceiptHandleIsInvalid, SQS InvalidParameterValue",
		"Q10: a waiting receive returns soon after its context is done, and takes no message":                             "gives a message to a receiver that has hung up" + backendtest.NowAndThen,
		"many receivers: every message arrives once and in its group's order, and no group is in flight at two receivers": "gives a group to two" + backendtest.NowAndThen,
		"a waiting receive returns a released message":                                                                    "does not" + backendtest.NowAndThen,
		"a waiting receive returns a message whose group becomes free":                                                    "does not" + backendtest.NowAndThen,
		"a waiting receive returns a message that becomes visible again":                                                  "does not" + backendtest.NowAndThen,
		"releasing the first message of a group does not free the second":                                                 "keeps the first back, too",
		"Q2: an attribute that SQS refuses fails its entry only, by the sender's fault":                                   "refuses the whole batch, and takes some",
		"attributes count as bytes of their message, with name and type":                                                  "counts the body alone",
		"a batch has 1 to MaxQueueBatch entries, or is KindInvalid":                                                       "takes an empty one",
		"group and deduplication ids have up to 128 letters, digits and punctuation marks":                                "takes any id",
		"an empty body is refused": "takes it",
		"Q2: a body with a character that SQS refuses fails its entry only, by the sender's fault": "takes it",
		"CreateQueue with settings out of range is KindInvalid":                                    "takes some of them",
		"the same deduplication id in another group is another message":                            "does not know DeduplicationScope",
		"a refused message leaves its deduplication id free":                                       "takes the message",
	}
}
