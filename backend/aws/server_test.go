package aws

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// answer is what a fake server does with one request.
type answer func(w http.ResponseWriter)

// ok answers with a body.
func ok(body string) answer {
	return func(w http.ResponseWriter) { fmt.Fprint(w, body) }
}

// failure answers as AWS does: a code, with a namespace, and a message.
func failure(status int, code, message string, more ...string) answer {
	return func(w http.ResponseWriter) {
		w.WriteHeader(status)
		fields := fmt.Sprintf(`"__type":"com.amazonaws.dynamodb.v20120810#%s","message":%s`, code, quoted(message))
		for _, m := range more {
			fields += "," + m
		}
		fmt.Fprintf(w, "{%s}", fields)
	}
}

// lost carries a request out and does not answer.
func lost(http.ResponseWriter) { panic(http.ErrAbortHandler) }

func wantSame[T any](t *testing.T, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(types.AttributeValueMemberS{})); diff != "" {
		t.Errorf("not as it should be (-want +got):\n%s", diff)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// fake is a server that gives prepared answers, the last one again and again.
type fake struct {
	*httptest.Server

	mu      sync.Mutex
	answers []answer
	calls   []request // in the order in which they came
}

// request is one request.
type request struct {
	op   string
	body map[string]any
}

func newFake(t *testing.T, answers ...answer) *fake {
	t.Helper()
	f := &fake{answers: answers}
	f.Server = httptest.NewUnstartedServer(f)
	f.Config.ErrorLog = nil
	f.Start()
	t.Cleanup(f.Close)
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	got := request{}
	_, got.op, _ = strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	json.NewDecoder(r.Body).Decode(&got.body)
	f.mu.Lock()
	f.calls = append(f.calls, got)
	a := f.answers[0]
	if len(f.answers) > 1 {
		f.answers = f.answers[1:]
	}
	f.mu.Unlock()
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.Header().Set("X-Amzn-Requestid", "REQUEST")
	a(w)
}

func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.calls)
}

// ops are the operations called, in order.
func (f *fake) ops() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	ops := make([]string, len(f.calls))
	for i, c := range f.calls {
		ops[i] = c.op
	}
	return ops
}

// last is the newest request's body.
func (f *fake) last() map[string]any {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[len(f.calls)-1].body
}

// openFake opens a backend on a server with prepared answers.
func openFake(t *testing.T, answers ...answer) (*Backend, *fake) {
	t.Helper()
	f := newFake(t, answers...)
	return openAt(t, f.URL), f
}

// openAt opens a backend that has more time for its calls than any machine needs,
// however busy it is.
func openAt(t *testing.T, url string) *Backend {
	t.Helper()
	return openWith(t, Options{EndpointURL: url, CallTimeout: 10 * time.Minute})
}

func openWith(t *testing.T, o Options) *Backend {
	t.Helper()
	b, err := Open(t.Context(), o)
	must(t, err)
	t.Cleanup(func() { b.Close() })
	return b
}

// openFunc opens a backend in whose place of the network there is a function, for
// virtual time.
func openFunc(t *testing.T, f roundTripper) *Backend {
	t.Helper()
	b := openWith(t, Options{EndpointURL: "http://in.test"})
	b.pool.RegisterProtocol("http", f)
	return b
}
