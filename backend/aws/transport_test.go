package aws

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// TestLateLookAtABody does what net/http does when an answer comes before it has seen
// the end of the request's body: it looks for that when the SDK has closed the body.
func TestLateLookAtABody(t *testing.T) {
	request, err := smithyhttp.NewStackRequest().(*smithyhttp.Request).SetStream(bytes.NewReader([]byte("{}")))
	must(t, err)
	built := request.Build(t.Context())
	var sent io.Reader
	answer := roundTripper(func(r *http.Request) (*http.Response, error) {
		sent = r.Body
		body, err := io.ReadAll(io.LimitReader(sent, 2))
		must(t, err)
		wantSame(t, string(body), "{}")
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
	})
	response, err := bounded{answer}.RoundTrip(built)
	must(t, err)
	must(t, response.Body.Close())
	must(t, built.Body.Close())
	n, err := io.Copy(io.Discard, sent)
	if n != 0 || err != nil {
		t.Errorf("after the answer had begun the body had %d more bytes, error %v", n, err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements [http.RoundTripper].
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
