package aws

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"github.com/postroom/postroom/backend"
)

// How long an answer may be, in bytes. The SDK reads answers whole, and what answers
// need not be AWS. The longest answer of AWS is a batch of 16 MB, or ten messages of
// 1 MiB; each byte may take six in JSON. The longest error quotes an item.
const (
	maxAnswerBytes = 128 << 20
	maxErrorBytes  = 8 * backend.MaxItemBytes
	maxHeaderBytes = 64 << 10
)

// newHTTPClient returns the one client of all three services. It has no timeout,
// since every call's context has one.
func newHTTPClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = dialTimeout }).
		WithTransportOptions(func(t *http.Transport) {
			t.MaxIdleConns = 2 * idleConns
			t.MaxIdleConnsPerHost = idleConns
			t.MaxResponseHeaderBytes = maxHeaderBytes
		})
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// bounded is a transport whose answers fail beyond their bound, and which no late look
// at a request's body disturbs (see sentBody). What it counts is unpacked. An answer of
// DynamoDB fails too if it is empty: the SDK would take it for success, and for a table
// without items, but DynamoDB says at least {}.
type bounded struct{ http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		r = r.WithContext(r.Context()) // a copy
		r.Body = sentBody{r.Body}
	}
	response, err := b.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body := &boundedBody{ReadCloser: response.Body, most: maxErrorBytes}
	if response.StatusCode/100 == 2 {
		body.most = maxAnswerBytes
		body.some = strings.HasPrefix(r.Header.Get("X-Amz-Target"), "DynamoDB")
	}
	response.Body = body
	return response, nil
}

// sentBody is the body of a request without its WriteTo. The SDK closes a body once its
// answer has begun. On a busy machine net/http looks only after that whether the body
// has more, by WriteTo if there is one; the SDK's then returns io.EOF, which is no end
// but an error there: net/http closes the connection, and the answer of a request that
// was carried out is lost ("use of closed network connection"). From Read io.EOF is the
// end.
type sentBody struct{ io.ReadCloser }

// boundedBody is a body that fails once more than most bytes were read of it, and at
// its end if it was to have some and had none.
type boundedBody struct {
	io.ReadCloser

	most, read int64
	some       bool
}

// Read implements [io.Reader].
func (b *boundedBody) Read(p []byte) (int, error) {
	if b.read > b.most {
		return 0, fmt.Errorf("the answer is longer than %d bytes", b.most)
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.most-b.read+1)])
	b.read += int64(n)
	if b.some && b.read == 0 && errors.Is(err, io.EOF) {
		return 0, errEmpty
	}
	return n, err
}

var errEmpty = errors.New("the answer is empty")
