package aws

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
)

// proxied answers as something in front of AWS does: with a status and a body of its own.
func proxied(status int, body string) answer {
	return func(w http.ResponseWriter) {
		w.Header().Del("X-Amzn-Requestid")
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

// everyCall makes a call of every kind, and returns their errors by name.
func everyCall(ctx context.Context, b *Backend) map[string]error {
	errs := map[string]error{}
	table, stream, queue := b.Table("t"), b.Stream("t"), b.Queue("q.fifo")
	b.queue("q.fifo").setURL("http://q/1/q.fifo")
	_, _, errs["Get"] = table.Get(ctx, backend.Key{PK: "p", SK: "s"})
	_, _, _, errs["BatchGet"] = table.BatchGet(ctx, []backend.Key{{PK: "p", SK: "s"}})
	_, errs["Query"] = table.Query(ctx, backend.Query{PK: "p"})
	_, errs["Scan"] = table.Scan(ctx, backend.Scan{})
	_, errs["Put"] = table.Put(ctx, testItem, backend.Condition{Absent: true})
	_, _, errs["BatchWrite"] = table.BatchWrite(ctx, []backend.Write{{Put: testItem}})
	_, errs["Transact"] = table.Transact(ctx, "token", []backend.Action{{Put: testItem}})
	_, errs["Shards"] = stream.Shards(ctx, "")
	_, errs["Children"] = stream.Children(ctx, "arn", "shard")
	_, errs["Iterator"] = stream.Iterator(ctx, "arn", "shard", backend.Position{Type: backend.TrimHorizon})
	_, errs["Records"] = stream.Records(ctx, "iterator", 10)
	_, errs["Send"] = queue.Send(ctx, []backend.SendEntry{{Body: "a", GroupID: "g", DeduplicationID: "d"}})
	_, errs["Receive"] = queue.Receive(ctx, 1, 0, time.Second)
	_, errs["Delete"] = queue.Delete(ctx, []string{"r"})
	_, errs["ChangeVisibility"] = queue.ChangeVisibility(ctx, []backend.VisibilityChange{{Receipt: "r"}})
	_, errs["Depth"] = queue.Depth(ctx)
	_, errs["DescribeTable"] = b.DescribeTable(ctx, "t")
	return errs
}

// TestF15WhatAWSDoesNotName: a proxy or a load balancer answers for AWS. That is
// a failure of the server, whatever the status: not the request's fault, and neither a
// missing table nor denied access. The error quotes it, within bounds.
func TestF15WhatAWSDoesNotName(t *testing.T) {
	t.Parallel()
	bodies := map[string]string{
		"nothing":        "",
		"a page":         "<html><body>\n<h1>No.</h1>" + strings.Repeat("<p>Really not.</p>", 500),
		"other JSON":     `{"message":"no route matched"}`,
		"a foreign code": `{"code":"404","message":"no such route"}`,
		"a number":       `{"code":404,"message":"no such route"}`,
		"no object":      `[]`,
	}
	for _, status := range []int{301, 400, 401, 403, 404, 407, 408, 413, 421, 499} {
		for name, body := range bodies {
			t.Run(fmt.Sprint(status, " with ", name), func(t *testing.T) {
				t.Parallel()
				b, _ := openFake(t, proxied(status, body))
				for op, err := range everyCall(t.Context(), b) {
					want := backend.KindUnavailable
					if name == "a foreign code" && (status == 401 || status == 403) {
						want = backend.KindDenied
					}
					if got := backend.KindOf(err); got != want {
						t.Errorf("%s: kind is %q, want %q: %v", op, got, want, err)
					}
					if len(err.Error()) > 700 {
						t.Errorf("%s: an error of %d bytes", op, len(err.Error()))
					}
				}
			})
		}
	}
}

// TestF15EmptySuccess: something in front of AWS answers 200, and nothing. That neither
// stores a message nor says that there is none, that the stream has no shards, or that
// the queue is empty.
func TestF15EmptySuccess(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 202, 204} {
		b, _ := openFake(t, proxied(status, ""))
		for op, err := range everyCall(t.Context(), b) {
			switch op {
			case "Receive": // brings nothing, and comes again
				continue
			case "Send", "Delete", "ChangeVisibility": // no entry is answered for: see F16
				continue
			}
			wantError(t, err, backend.KindUnavailable, op[:1])
		}
	}
	b, _ := openFake(t, ok(`{"QueueUrl":"http://q/1/q"}`), ok(`{"Attributes":{"ApproximateNumberOfMessages":"0"}}`))
	_, err := b.Queue("q").Depth(t.Context())
	wantError(t, err, backend.KindUnavailable, "Depth q", "ApproximateNumberOfMessagesDelayed")
}

// TestF15UnknownCodesCondemnNothing: a code that nobody knows, of whatever status, is
// not the request's fault.
func TestF15UnknownCodesCondemnNothing(t *testing.T) {
	t.Parallel()
	for _, code := range []string{
		"SomethingNewException", "RequestEntityTooLarge", "BadRequest", "UnknownOperationException", "InternalFailure",
		"ItemCollectionSizeLimitExceededException", "KmsDisabled", "KmsInvalidState", "KmsNotFound", "KmsThrottled",
		"InvalidAddress", "UnsupportedOperation", "InvalidEndpointException", "ThrottlingException",
	} {
		b, _ := openFake(t, failure(http.StatusBadRequest, code, "no"))
		for op, err := range everyCall(t.Context(), b) {
			if got := backend.KindOf(err); got == backend.KindInvalid || got == backend.KindUnknown || got == backend.KindNotFound {
				t.Errorf("%s, %s: kind is %q: %v", code, op, got, err)
			}
		}
	}
}

// TestF19AnswersAreBounded: what answers in place of AWS may answer with very much, or
// with little that is packed and becomes much. Neither is read into memory.
func TestF19AnswersAreBounded(t *testing.T) {
	t.Parallel()
	for name, packed := range map[string]bool{"plain": false, "packed": true} {
		f := newFake(t, func(w http.ResponseWriter) {
			out := io.WriteCloser(nopCloser{w})
			if packed {
				w.Header().Set("Content-Encoding", "gzip")
				out = gzip.NewWriter(w)
			}
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.CopyN(out, zeros{}, maxErrorBytes+1<<20) // fails once the client has enough
			_ = out.Close()
		})
		b := openAt(t, f.URL)
		_, err := b.Queue("q").Depth(t.Context())
		wantError(t, err, backend.KindUnavailable, "status 400")
		if len(err.Error()) > 1<<10 {
			t.Errorf("%s: an error of %d bytes", name, len(err.Error()))
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.URL, nil)
		must(t, err)
		response, err := bounded{b.pool}.RoundTrip(request)
		must(t, err)
		read, err := io.ReadAll(response.Body)
		must(t, response.Body.Close())
		if err == nil || !strings.Contains(err.Error(), "longer than") || len(read) > maxErrorBytes+1 {
			t.Errorf("%s: %d bytes were read (%v)", name, len(read), err)
		}
	}
	for _, c := range []struct {
		bytes int64
		whole bool
	}{{99, true}, {100, true}, {101, false}, {1 << 20, false}} {
		body := &boundedBody{ReadCloser: io.NopCloser(io.LimitReader(zeros{}, c.bytes)), most: 100}
		read, err := io.ReadAll(body)
		if (err == nil) != c.whole || int64(len(read)) > 101 || c.whole && int64(len(read)) != c.bytes {
			t.Errorf("of %d bytes %d were read (%v)", c.bytes, len(read), err)
		}
	}
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }
