package aws

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"github.com/postroom/postroom/backend"
)

// kinds has the kinds of the three services' error codes, including those that the
// services' models leave out; the SDK lists most codes of throttling. Only codes of
// KindInvalid say that the request is at fault, and they are all here: an error that
// AWS does not name so is none of a message's, however its status reads. Sources: the
// SDK's models; DynamoDB, Streams and SQS API references, common errors.
var kinds = byCode(map[backend.Kind][]string{
	backend.KindConditionFailed: {"ConditionalCheckFailedException"},
	backend.KindConflict:        {"TransactionConflictException", "TransactionInProgressException", "ReplicatedWriteConflictException"},
	backend.KindThrottled:       {"OverLimit", "QueueDeletedRecently"}, // the latter 60 s after DeleteQueue
	backend.KindUnavailable: {
		"RequestTimeout", "RequestTimeoutException",
		"ItemCollectionSizeLimitExceededException", // the partition is full, in a table with a local index: not the item's fault
	},
	backend.KindNotFound: {"ResourceNotFoundException", "TableNotFoundException", "QueueDoesNotExist", "NonExistentQueue"},
	backend.KindExists:   {"ResourceInUseException", "QueueNameExists", "QueueAlreadyExists"},
	backend.KindExpired:  {"ExpiredIteratorException"},
	backend.KindTrimmed:  {"TrimmedDataAccessException"},
	backend.KindInvalid: {
		"ValidationException", "SerializationException", "IdempotentParameterMismatchException",
		"InvalidParameterValue", "InvalidParameterCombination", "MissingParameter",
		"InvalidParameterValueException", // of LocalStack's entries
		"InvalidMessageContents", "InvalidAttributeName", "InvalidAttributeValue", "InvalidIdFormat",
		"ReceiptHandleIsInvalid", "MessageNotInflight",
		"EmptyBatchRequest", "TooManyEntriesInBatchRequest", "BatchEntryIdsNotDistinct", "InvalidBatchEntryId", "BatchRequestTooLong",
	},
	backend.KindDenied: {
		"AccessDenied", "AccessDeniedException", "NotAuthorized", "OptInRequired", "InvalidSecurity",
		"UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId",
		"InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature", "IncompleteSignatureException",
		"MissingAuthenticationToken", "MissingAuthenticationTokenException",
		"ExpiredToken", "ExpiredTokenException", "RequestExpired",
	},
})

func byCode(codes map[backend.Kind][]string) map[string]backend.Kind {
	kinds := map[string]backend.Kind{}
	for kind, all := range codes {
		for _, code := range all {
			kinds[code] = kind
		}
	}
	return kinds
}

// reasonKinds has the kinds of the codes of cancellation reasons.
// Source: DynamoDB API reference, TransactWriteItems.
var reasonKinds = map[string]backend.Kind{
	"ConditionalCheckFailed":          backend.KindConditionFailed,
	"TransactionConflict":             backend.KindConflict,
	"ProvisionedThroughputExceeded":   backend.KindThrottled,
	"ThrottlingError":                 backend.KindThrottled,
	"ValidationError":                 backend.KindInvalid,
	"ItemCollectionSizeLimitExceeded": backend.KindUnavailable,
}

// ofCode returns the kind of a code, which is KindUnavailable if nobody knows it.
func ofCode(code string) (kind backend.Kind, known bool) {
	code = bare(code)
	if kind, ok := kinds[code]; ok {
		return kind, true
	}
	_, throttled := retry.DefaultThrottleErrorCodes[code]
	key := strings.HasPrefix(code, "Kms") || strings.HasPrefix(code, "KMS") // a failure of an encryption key
	switch {
	case throttled, key && strings.Contains(code, "Throttl"):
		return backend.KindThrottled, true
	case key:
		return backend.KindDenied, true
	}
	return backend.KindUnavailable, false
}

// ofReason returns the kind of the code of a cancellation reason.
func ofReason(code string) backend.Kind {
	if kind, ok := reasonKinds[code]; ok {
		return kind
	}
	kind, _ := ofCode(code)
	return kind
}

// bare returns a code without the namespace that some servers put in front.
func bare(code string) string { return code[strings.LastIndexAny(code, "#.")+1:] }
