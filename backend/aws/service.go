package aws

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/internal/terminal"
)

// service is one of the three services, as errors describe it.
type service struct {
	place    string // "DynamoDB at http://localhost:8000"
	variable string // that sets its endpoint
	timeout  time.Duration
	closed   *atomic.Bool
}

func (b *Backend) service(name, variable string, endpoint *string, region string, timeout time.Duration) *service {
	place := name + " in " + region
	if endpoint != nil {
		place = name + " at " + *endpoint
	}
	return &service{place, variable, timeout, b.closed}
}

var errClosed = errors.New("the backend is closed")

// call makes one call within the service's timeout and classifies its error.
func call[In, Out, Options any](
	ctx context.Context, s *service, op string,
	f func(context.Context, *In, ...func(*Options)) (*Out, error), in *In, options ...func(*Options),
) (*Out, error) {
	return callFor(ctx, s, op, s.timeout, f, in, options...)
}

// callFor is call with a timeout of its own.
func callFor[In, Out, Options any](
	ctx context.Context, s *service, op string, timeout time.Duration,
	f func(context.Context, *In, ...func(*Options)) (*Out, error), in *In, options ...func(*Options),
) (*Out, error) {
	if s.closed.Load() {
		return nil, invalid(op, errClosed)
	}
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	out, err := f(bounded, in, options...)
	if err != nil {
		return nil, s.fail(ctx, op, timeout, err)
	}
	return out, nil
}

// fail turns an error of the SDK into one of a port.
func (s *service) fail(caller context.Context, op string, allowed time.Duration, err error) *backend.Error {
	kind := kindOf(err)
	told := &callError{err: err}
	if caller.Err() == nil && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)) {
		told.err = nil // it is the call's own time-out or the network's, so the call is retryable
	}
	code, denied := codeOf(err), (*credentialsError)(nil)
	switch {
	case code != "":
		told.text = s.answered(kind, code, err)
	case errors.As(err, &denied):
		told.text = denied.Error()
	case caller.Err() != nil:
		told.text = fmt.Sprintf("%s: %v", s.place, context.Cause(caller))
	case errors.Is(err, context.DeadlineExceeded):
		told.text = fmt.Sprintf("%s did not answer within %s; %s", s.place, allowed, s.checkEndpoint())
	case statusOf(err) >= http.StatusMultipleChoices: // the answer of a proxy, or of another kind of server
		told.text = fmt.Sprintf("%s answered with status %d and without an AWS error%s; %s", s.place, statusOf(err), words(err), s.checkEndpoint())
	case kind == backend.KindUnavailable:
		told.text = fmt.Sprintf("no usable answer from %s: %v; %s", s.place, cause(err), s.checkEndpoint())
	default:
		told.text = fmt.Sprintf("%s: %v", s.place, err)
	}
	return &backend.Error{Op: op, Kind: kind, Err: told}
}

// answered returns the text of an error with which the server answered.
func (s *service) answered(kind backend.Kind, code string, err error) string {
	text := terminal.Line(code, maxCode)
	if api, ok := errors.AsType[smithy.APIError](err); ok && api.ErrorMessage() != "" {
		text += ": " + terminal.Line(api.ErrorMessage(), maxMessage)
	}
	text += " (" + s.place
	if response, ok := errors.AsType[*awshttp.ResponseError](err); ok && response.ServiceRequestID() != "" {
		text += ", request " + response.ServiceRequestID()
	}
	text += ")"
	if kind == backend.KindDenied {
		text += "; " + checkCredentials
	}
	return text
}

func (s *service) checkEndpoint() string {
	return fmt.Sprintf("check the endpoint (AWS_ENDPOINT_URL, %s), the region and the network", s.variable)
}

// cause returns the part of a connection error that gives the reason.
func cause(err error) error {
	if address, ok := errors.AsType[*url.Error](err); ok {
		return address.Err
	}
	return err
}

// callError is an error of the SDK, with a text for an operator.
type callError struct {
	text string
	err  error
}

func (e *callError) Error() string { return e.text }
func (e *callError) Unwrap() error { return e.err }

const checkCredentials = "check the credentials (AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY) and their permissions"

// credentials marks the errors of a provider, so that missing credentials are not
// mistaken for a server that does not answer.
type credentials struct{ awssdk.CredentialsProvider }

// Retrieve implements aws.CredentialsProvider.
func (c credentials) Retrieve(ctx context.Context) (awssdk.Credentials, error) {
	creds, err := c.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		return creds, &credentialsError{err}
	}
	return creds, nil
}

type credentialsError struct{ err error }

func (e *credentialsError) Error() string {
	return fmt.Sprintf("no usable credentials; %s: %v", checkCredentials, e.err)
}

func (e *credentialsError) Unwrap() error { return e.err }

// poll calls f, with growing pauses, until f reports that it is done or fails.
func poll(ctx context.Context, op string, f func() (done bool, err error)) error {
	pauses := retry.Policy{Min: 20 * time.Millisecond, Max: time.Second}
	for asked := 1; ; asked++ {
		done, err := f()
		if done || err != nil {
			return err
		}
		if retry.Sleep(ctx, pauses.Pause(asked), nil) != nil {
			return &backend.Error{Op: op, Kind: backend.KindUnavailable, Err: context.Cause(ctx)}
		}
	}
}
