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
var kinds = map[string]backend.Kind{
	"ConditionalCheckFailedException": backend.KindConditionFailed,

	"TransactionConflictException":     backend.KindConflict,
	"TransactionInProgressException":   backend.KindConflict,
	"ReplicatedWriteConflictException": backend.KindConflict,

	"OverLimit":            backend.KindThrottled,
	"QueueDeletedRecently": backend.KindThrottled, // 60 s after DeleteQueue

	"RequestTimeout":          backend.KindUnavailable,
	"RequestTimeoutException": backend.KindUnavailable,
	// The partition is full, in a table with a local index: not the item's fault.
	"ItemCollectionSizeLimitExceededException": backend.KindUnavailable,

	"ResourceNotFoundException": backend.KindNotFound,
	"TableNotFoundException":    backend.KindNotFound,
	"QueueDoesNotExist":         backend.KindNotFound,
	"NonExistentQueue":          backend.KindNotFound,

	"ResourceInUseException": backend.KindExists,
	"QueueNameExists":        backend.KindExists,
	"QueueAlreadyExists":     backend.KindExists,

	"ExpiredIteratorException":   backend.KindExpired,
	"TrimmedDataAccessException": backend.KindTrimmed,

	"ValidationException":                  backend.KindInvalid,
	"SerializationException":               backend.KindInvalid,
	"IdempotentParameterMismatchException": backend.KindInvalid,
	"InvalidParameterValue":                backend.KindInvalid,
	"InvalidParameterValueException":       backend.KindInvalid, // of LocalStack's entries
	"InvalidParameterCombination":          backend.KindInvalid,
	"MissingParameter":                     backend.KindInvalid,
	"InvalidMessageContents":               backend.KindInvalid,
	"InvalidAttributeName":                 backend.KindInvalid,
	"InvalidAttributeValue":                backend.KindInvalid,
	"InvalidIdFormat":                      backend.KindInvalid,
	"ReceiptHandleIsInvalid":               backend.KindInvalid,
	"MessageNotInflight":                   backend.KindInvalid,
	"EmptyBatchRequest":                    backend.KindInvalid,
	"TooManyEntriesInBatchRequest":         backend.KindInvalid,
	"BatchEntryIdsNotDistinct":             backend.KindInvalid,
	"InvalidBatchEntryId":                  backend.KindInvalid,
	"BatchRequestTooLong":                  backend.KindInvalid,

	"AccessDenied":                        backend.KindDenied,
	"AccessDeniedException":               backend.KindDenied,
	"UnrecognizedClientException":         backend.KindDenied,
	"InvalidSignatureException":           backend.KindDenied,
	"SignatureDoesNotMatch":               backend.KindDenied,
	"IncompleteSignature":                 backend.KindDenied,
	"IncompleteSignatureException":        backend.KindDenied,
	"InvalidClientTokenId":                backend.KindDenied,
	"InvalidAccessKeyId":                  backend.KindDenied,
	"MissingAuthenticationToken":          backend.KindDenied,
	"MissingAuthenticationTokenException": backend.KindDenied,
	"ExpiredToken":                        backend.KindDenied,
	"ExpiredTokenException":               backend.KindDenied,
	"RequestExpired":                      backend.KindDenied,
	"NotAuthorized":                       backend.KindDenied,
	"OptInRequired":                       backend.KindDenied,
	"InvalidSecurity":                     backend.KindDenied,
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
