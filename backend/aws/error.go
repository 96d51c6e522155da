package aws

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/postroom/postroom/backend"
)

// kinds has the kinds of the three services' error codes, including those that the
// services' models leave out. The SDK lists most codes of throttling, and the status
// of the answer tells the kind of all other errors. Sources: the SDK's models;
// DynamoDB, Streams and SQS API references, common errors.
var kinds = map[string]backend.Kind{
	"ConditionalCheckFailedException": backend.KindConditionFailed,

	"TransactionConflictException":     backend.KindConflict,
	"TransactionInProgressException":   backend.KindConflict,
	"ReplicatedWriteConflictException": backend.KindConflict,

	"OverLimit":            backend.KindThrottled,
	"KmsThrottled":         backend.KindThrottled,
	"QueueDeletedRecently": backend.KindThrottled, // 60 s after DeleteQueue

	"RequestTimeout":          backend.KindUnavailable,
	"RequestTimeoutException": backend.KindUnavailable,

	"ResourceNotFoundException": backend.KindNotFound,
	"TableNotFoundException":    backend.KindNotFound,
	"QueueDoesNotExist":         backend.KindNotFound,
	"NonExistentQueue":          backend.KindNotFound,

	"ResourceInUseException": backend.KindExists,
	"QueueNameExists":        backend.KindExists,
	"QueueAlreadyExists":     backend.KindExists,

	"ExpiredIteratorException":   backend.KindExpired,
	"TrimmedDataAccessException": backend.KindTrimmed,

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
	"KmsAccessDenied":                     backend.KindDenied,
}

// codeOf returns the code of an error with which a server answered, without the
// namespace that some servers put in front; empty: no server answered.
func codeOf(err error) string {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return ""
	}
	code := api.ErrorCode()
	if i := strings.LastIndexAny(code, "#."); i >= 0 {
		code = code[i+1:]
	}
	return code
}

// statusOf returns the HTTP status of the answer; 0: there was none.
func statusOf(err error) int {
	var response *awshttp.ResponseError
	if errors.As(err, &response) && response.Response != nil {
		return response.HTTPStatusCode()
	}
	return 0
}

// kindOf classifies an error of the SDK.
func kindOf(err error) backend.Kind {
	code := codeOf(err)
	if kind, ok := kinds[code]; ok {
		return kind
	}
	if _, ok := retry.DefaultThrottleErrorCodes[code]; ok {
		return backend.KindThrottled
	}
	var (
		denied   *credentialsError
		params   smithy.InvalidParamsError
		mangled  *smithy.SerializationError
		sending  *smithyhttp.RequestSendError
		canceled *smithy.CanceledError
		reading  *smithy.DeserializationError
		address  *url.Error
	)
	status := statusOf(err)
	switch {
	case errors.As(err, &denied):
		return backend.KindDenied
	case errors.As(err, &params), errors.As(err, &mangled):
		return backend.KindInvalid
	case status >= http.StatusInternalServerError:
		return backend.KindUnavailable
	case status == http.StatusTooManyRequests:
		return backend.KindThrottled
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return backend.KindDenied
	case status >= http.StatusBadRequest:
		return backend.KindInvalid
	case errors.As(err, &sending), errors.As(err, &canceled), errors.As(err, &reading), errors.As(err, &address),
		errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return backend.KindUnavailable
	}
	return backend.KindUnknown
}

func invalid(op string, err error) error {
	return &backend.Error{Op: op, Kind: backend.KindInvalid, Err: err}
}

// unsupported reports whether the server does not have the operation; emulators lack
// some.
func unsupported(err error) bool {
	code := codeOf(err)
	return code == "UnknownOperationException" || code == "UnknownOperation" || code == "UnsupportedOperation" ||
		code == "InvalidAction" || statusOf(err) == http.StatusNotImplemented
}
