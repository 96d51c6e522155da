package aws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/retry"
)

var testItem = backend.Item{"PK": str("p"), "SK": str("s"), "a": str("1")}

func TestEveryCodeHasItsKind(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		code   string
		want   backend.Kind
	}{
		{400, "ConditionalCheckFailedException", backend.KindConditionFailed},
		{400, "TransactionConflictException", backend.KindConflict},
		{400, "TransactionInProgressException", backend.KindConflict},
		{400, "ReplicatedWriteConflictException", backend.KindConflict},
		{400, "ProvisionedThroughputExceededException", backend.KindThrottled},
		{400, "ThrottlingException", backend.KindThrottled},
		{400, "RequestLimitExceeded", backend.KindThrottled},
		{400, "LimitExceededException", backend.KindThrottled},
		{429, "SomethingNew", backend.KindThrottled},
		{500, "InternalServerError", backend.KindUnavailable},
		{503, "SomethingNew", backend.KindUnavailable},
		{400, "ResourceNotFoundException", backend.KindNotFound},
		{400, "ResourceInUseException", backend.KindExists},
		{400, "ExpiredIteratorException", backend.KindExpired},
		{400, "TrimmedDataAccessException", backend.KindTrimmed},
		{400, "ValidationException", backend.KindInvalid},
		{400, "SerializationException", backend.KindInvalid},
		{400, "IdempotentParameterMismatchException", backend.KindInvalid},
		{400, "AccessDeniedException", backend.KindDenied},
		{400, "UnrecognizedClientException", backend.KindDenied},
		{400, "InvalidSignatureException", backend.KindDenied},
		{400, "ExpiredTokenException", backend.KindDenied},
		{403, "SomethingNew", backend.KindDenied},
	} {
		t.Run(c.code, func(t *testing.T) {
			t.Parallel()
			b, _ := openFake(t, failure(c.status, c.code, "the message"))
			table, stream := b.Table("postroom"), b.Stream("postroom")
			_, putErr := table.Put(t.Context(), testItem, backend.Condition{})
			_, recordsErr := stream.Records(t.Context(), "iterator", 1000)
			for _, err := range []error{putErr, recordsErr} {
				if got := backend.KindOf(err); got != c.want {
					t.Errorf("kind is %q, want %q: %v", got, c.want, err)
				}
				if !strings.Contains(err.Error(), c.code+": the message (DynamoDB") {
					t.Errorf("the error does not say what the server said, and where: %v", err)
				}
			}
		})
	}
}

func TestQueueCodesWithTheirOldNames(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]backend.Kind{
		"AWS.SimpleQueueService.NonExistentQueue":     backend.KindNotFound,
		"AWS.SimpleQueueService.QueueDeletedRecently": backend.KindThrottled,
		"QueueAlreadyExists":                          backend.KindExists,
		"OverLimit":                                   backend.KindThrottled,
		"InvalidParameterValue":                       backend.KindInvalid,
		"InvalidParameterValueException":              backend.KindInvalid,
		"RequestThrottled":                            backend.KindThrottled,
	} {
		b, _ := openFake(t, func(w http.ResponseWriter) {
			w.Header().Set("X-Amzn-Query-Error", code+";Sender")
			failure(http.StatusBadRequest, "Whatever", "no")(w)
		})
		_, err := b.Queue("q").Depth(t.Context())
		if got := backend.KindOf(err); got != want {
			t.Errorf("%s: kind is %q, want %q: %v", code, got, want, err)
		}
	}
}

func TestShortFailureIsRetried(t *testing.T) {
	t.Parallel()
	for name, failed := range map[string]answer{
		"throttled":       failure(400, "ThrottlingException", "slow down"),
		"broken":          failure(500, "InternalServerError", "oops"),
		"connection lost": lost,
	} {
		b, f := openFake(t, failed, failed, ok("{}"))
		if _, _, err := b.Table("t").Get(t.Context(), backend.Key{PK: "p", SK: "s"}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if f.count() != 3 {
			t.Errorf("%s: %d calls, want 3", name, f.count())
		}
	}
}

// A worker that has had a bad time is not refused its retries afterwards: the
// SDK's own quota is used up after some fifty failed calls.
func TestRetriesDoNotRunOut(t *testing.T) {
	t.Parallel()
	b, f := openFake(t, failure(500, "InternalServerError", "oops"))
	const calls = 100
	var g errgroup.Group
	for range calls {
		g.Go(func() error {
			_, _, err := b.Table("t").Get(t.Context(), backend.Key{PK: "p", SK: "s"})
			if backend.KindOf(err) != backend.KindUnavailable {
				return fmt.Errorf("get: %w", err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if f.count() != calls*maxAttempts {
		t.Fatalf("%d attempts, want %d", f.count(), calls*maxAttempts)
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	l.Close()
	b := openAt(t, url)
	_, err = b.DescribeTable(t.Context(), "postroom")
	wantError(t, err, backend.KindUnavailable, "DescribeTable postroom", "DynamoDB at "+url, "refused", "AWS_ENDPOINT_URL_DYNAMODB")
	_, err = b.Queue("q").Depth(t.Context())
	wantError(t, err, backend.KindUnavailable, "Depth q", "SQS at "+url, "AWS_ENDPOINT_URL_SQS")

	synctest.Test(t, func(t *testing.T) {
		calls := 0
		b := openFunc(t, func(*http.Request) (*http.Response, error) {
			calls++
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
		})
		began := time.Now()
		_, err := b.DescribeTable(t.Context(), "postroom")
		wantError(t, err, backend.KindUnavailable, "refused")
		if took := time.Since(began); took > 2*time.Second || calls != maxAttempts {
			t.Errorf("%d calls took %s", calls, took)
		}
	})
}

// TestNobodyAnswers: nor is the call made again, for which there is no time left.
func TestNobodyAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		b := openFunc(t, func(r *http.Request) (*http.Response, error) {
			calls++
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		began := time.Now()
		_, err := b.Table("postroom").Query(t.Context(), backend.Query{PK: "p"})
		wantError(t, err, backend.KindUnavailable, "Query postroom", "http://in.test", "did not answer within 5s")
		if took := time.Since(began); took != callTimeout || calls != 1 {
			t.Errorf("%d calls took %s, want one of %s", calls, took, callTimeout)
		}
		if errors.Is(err, context.DeadlineExceeded) || !backend.Retryable(err) {
			t.Errorf("%v is taken for the caller's own deadline", err)
		}
	})
}

// TestReceiveHasTimeToWait: it may take its wait longer than other calls.
func TestReceiveHasTimeToWait(t *testing.T) {
	t.Parallel()
	for takes, late := range map[time.Duration]bool{
		backend.MaxWait + callTimeout - 1: false, backend.MaxWait + callTimeout + 1: true,
	} {
		synctest.Test(t, func(t *testing.T) {
			b := openFunc(t, func(r *http.Request) (*http.Response, error) {
				body := "{}"
				if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".GetQueueUrl") {
					body = `{"QueueUrl":"http://in.test/1/q"}`
				} else if retry.Sleep(r.Context(), takes, nil) != nil {
					return nil, r.Context().Err()
				}
				return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
			})
			_, err := b.Queue("q").Receive(t.Context(), 10, backend.MaxWait, 30*time.Second)
			if (err != nil) != late {
				t.Errorf("a receive that takes %s: %v", takes, err)
			}
		})
	}
}

func TestCallerGivesUp(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	f := newFake(t, func(http.ResponseWriter) { cancel(); <-release })
	defer close(release)
	b := openAt(t, f.URL)
	_, err := b.Table("postroom").Put(ctx, testItem, backend.Condition{})
	wantError(t, err, backend.KindUnavailable, "context canceled")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v is not context.Canceled", err)
	}
	if backend.Retryable(err) {
		t.Errorf("%v is retryable", err)
	}
}

func TestWrongCredentials(t *testing.T) {
	t.Parallel()
	b, f := openFake(t, failure(400, "UnrecognizedClientException", "The security token included in the request is invalid."))
	_, err := b.DescribeTable(t.Context(), "postroom")
	wantError(t, err, backend.KindDenied, "security token", f.URL, "REQUEST", "AWS_PROFILE", "AWS_ACCESS_KEY_ID")
}

func TestNotAWSAtAll(t *testing.T) {
	t.Parallel()
	b, f := openFake(t, func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "text/html")
		ok("<html>It works!</html>")(w)
	})
	_, err := b.DescribeTable(t.Context(), "postroom")
	wantError(t, err, backend.KindUnavailable, f.URL, "check the endpoint")

	b, f = openFake(t, func(w http.ResponseWriter) {
		w.WriteHeader(http.StatusNotFound)
		ok("<html>There is no such page.</html>")(w)
	})
	_, err = b.DescribeTable(t.Context(), "postroom")
	wantError(t, err, backend.KindUnavailable, f.URL, "status 404", "There is no such page.", "check the endpoint")
}

func TestClosed(t *testing.T) {
	t.Parallel()
	b, f := openFake(t, ok("{}"))
	b.Close()
	_, _, err := b.Table("t").Get(t.Context(), backend.Key{PK: "p", SK: "s"})
	wantError(t, err, backend.KindInvalid, "closed")
	if f.count() != 0 {
		t.Errorf("%d calls after Close", f.count())
	}
}

func wantError(t *testing.T, err error, kind backend.Kind, parts ...string) {
	t.Helper()
	if got := backend.KindOf(err); err == nil || got != kind {
		t.Fatalf("kind is %q, want %q: %v", got, kind, err)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not say %q: %v", part, err)
		}
	}
}
