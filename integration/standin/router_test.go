package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// serverOf starts a server for a test and returns its address.
func serverOf(t *testing.T, handler http.Handler) *url.URL {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	address, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// routerOf starts a router for a test and returns its address.
func routerOf(t *testing.T, dynamodb, sqs *url.URL) string {
	t.Helper()
	transport := newTransport()
	t.Cleanup(transport.CloseIdleConnections)
	return serverOf(t, newRouter(dynamodb, sqs, "fauxqs", transport)).String()
}

// nowhere returns an address at which no server listens.
func nowhere(t *testing.T) *url.URL {
	t.Helper()
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	address, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// named answers with its name, and with what it was asked.
func named(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Server", name)
		w.Header().Set("X-Host", r.Host)
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.Copy(w, r.Body)
	})
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

// call sends an operation.
func call(t *testing.T, address, target string, body io.Reader) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, body)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "queues.example:4566"
	if target != "" {
		request.Header.Set("X-Amz-Target", target)
	}
	response, err := client(t).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, text}
}

// client is an HTTP client whose connections end with the test.
func client(t *testing.T) *http.Client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestOperationsReachTheirServer(t *testing.T) {
	t.Parallel()
	router := routerOf(t, serverOf(t, named("dynoxide")), serverOf(t, named("fauxqs")))
	body := strings.Repeat("0123456789abcdef", 1<<20) // 16 MB, the most that DynamoDB takes
	for target, want := range map[string]string{
		"DynamoDB_20120810.PutItem":           "dynoxide",
		"DynamoDBStreams_20120810.GetRecords": "dynoxide",
		"AmazonSQS.ReceiveMessage":            "fauxqs",
	} {
		for _, path := range []string{"/", "/000000000000/queue.fifo"} {
			a := call(t, router+path, target, strings.NewReader(body))
			if got := a.header.Get("X-Server"); got != want {
				t.Errorf("%s at %s was answered by %q", target, path, got)
			}
			if a.status != http.StatusTeapot || string(a.body) != body {
				t.Errorf("%s: the answer is another: %d, %d bytes", target, a.status, len(a.body))
			}
			if got := a.header.Get("X-Host"); got != "queues.example:4566" {
				t.Errorf("%s: the server was asked as %q", target, got)
			}
		}
	}
}

func TestOtherOperationsAreRefused(t *testing.T) {
	t.Parallel()
	router := routerOf(t, serverOf(t, named("dynoxide")), serverOf(t, named("fauxqs")))
	for target, want := range map[string]struct {
		status int
		code   string
	}{
		"":                       {http.StatusBadRequest, "MissingAction"},
		"Kinesis_20131202.Put":   {http.StatusNotImplemented, "UnknownOperationException"},
		"DynamoDB_20120811.Put":  {http.StatusNotImplemented, "UnknownOperationException"},
		"AmazonSQSmore.Anything": {http.StatusNotImplemented, "UnknownOperationException"},
	} {
		a := call(t, router, target, nil)
		if a.status != want.status || errorCode(t, a.body) != want.code {
			t.Errorf("%q: %d, %s", target, a.status, a.body)
		}
	}
}

func TestAServerThatIsNotThereIsUnavailable(t *testing.T) {
	t.Parallel()
	router := routerOf(t, nowhere(t), nowhere(t))
	a := call(t, router, "DynamoDB_20120810.PutItem", nil)
	if a.status != http.StatusServiceUnavailable || errorCode(t, a.body) != "ServiceUnavailable" {
		t.Errorf("%d, %s", a.status, a.body)
	}
}

func errorCode(t *testing.T, body []byte) string {
	t.Helper()
	var failure struct {
		Type string `json:"__type"`
	}
	if err := json.Unmarshal(body, &failure); err != nil {
		t.Errorf("%s: %v", body, err)
	}
	return failure.Type
}

func TestHealthyOnceBothServersAnswer(t *testing.T) {
	t.Parallel()
	up, down := serverOf(t, named("up")), nowhere(t)
	for _, tt := range []struct {
		dynamodb, sqs *url.URL
		status        int
	}{
		{down, down, http.StatusServiceUnavailable},
		{up, down, http.StatusServiceUnavailable},
		{down, up, http.StatusServiceUnavailable},
		{up, up, http.StatusOK},
	} {
		address := routerOf(t, tt.dynamodb, tt.sqs) + healthPath
		response, err := client(t).Get(address)
		if err != nil {
			t.Fatal(err)
		}
		var answer struct {
			Services map[string]string
			Edition  string
			Version  string
		}
		err = json.NewDecoder(response.Body).Decode(&answer)
		response.Body.Close()
		if err != nil || response.StatusCode != tt.status {
			t.Errorf("%s, %v, %v", response.Status, answer, err)
		}
		for _, service := range []string{"dynamodb", "dynamodbstreams", "sqs"} {
			if running := answer.Services[service] == "running"; running != (tt.status == http.StatusOK) {
				t.Errorf("%s: %v", response.Status, answer)
			}
		}
		if answer.Edition != "postroom-standin" || answer.Version == "" {
			t.Errorf("%v", answer)
		}
		if err := checkHealth(address); (err == nil) != (tt.status == http.StatusOK) {
			t.Errorf("%s: the check says %v", response.Status, err)
		}
	}
	if checkHealth(down.String()) == nil {
		t.Error("nobody is healthy")
	}
}

func TestAClientThatGoesAwayIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	arrived, left := make(chan struct{}), make(chan struct{})
	sqs := serverOf(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the server watches the connection from then on
		close(arrived)
		<-r.Context().Done()
		close(left)
	}))
	router := routerOf(t, nowhere(t), sqs)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, router, bytes.NewBufferString("{}"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Amz-Target", "AmazonSQS.ReceiveMessage")
	go func() {
		<-arrived
		cancel()
	}()
	response, err := client(t).Do(request)
	if !errors.Is(err, context.Canceled) {
		response.Body.Close()
		t.Errorf("%v, %v", response, err)
	}
	<-left
}
