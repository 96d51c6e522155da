package aws

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/postroom/postroom/backend"
)

// unnamed is the SDK's code of an answer that names none: that of a proxy, say.
const unnamed = "UnknownError"

// codeOf returns the code of an error with which AWS answered; empty: AWS did not.
func codeOf(err error) string {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok || api.ErrorCode() == unnamed {
		return ""
	}
	return bare(api.ErrorCode())
}

// statusOf returns the HTTP status of the answer; 0: there was none.
func statusOf(err error) int {
	if response, ok := errors.AsType[*awshttp.ResponseError](err); ok && response.Response != nil {
		return response.HTTPStatusCode()
	}
	return 0
}

// kindOf classifies an error of the SDK. An error answer without a code that is known
// is a failure of the server or of what is in front of it, whatever its status: the
// same request may succeed.
func kindOf(err error) backend.Kind {
	code, status := codeOf(err), statusOf(err)
	if kind, known := ofCode(code); known {
		return kind
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
	switch {
	case errors.As(err, &denied):
		return backend.KindDenied
	case errors.As(err, &params), errors.As(err, &mangled):
		return backend.KindInvalid
	case status == http.StatusTooManyRequests:
		return backend.KindThrottled
	case code != "" && (status == http.StatusUnauthorized || status == http.StatusForbidden):
		return backend.KindDenied
	case status >= http.StatusMultipleChoices, code != "":
		return backend.KindUnavailable
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
