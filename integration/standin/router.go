package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"
)

const (
	healthPath   = "/_localstack/health"
	imitated     = "4.14.0" // the version of LocalStack that this stands in for
	probeTimeout = 2 * time.Second

	// mostIdle connections to a server are kept: those of all that wait in a
	// long poll come back at once.
	mostIdle = 512
	// idleTimeout is shorter than the servers' own, so that none of them closes
	// a connection that is about to be used.
	idleTimeout = 30 * time.Second
)

// router passes requests to the servers by the operation they name, whatever
// the path: queues' addresses have one.
type router struct {
	dynamodb, sqs http.Handler
	health        http.Handler
}

func newTransport() *http.Transport {
	return &http.Transport{
		MaxIdleConnsPerHost: mostIdle,
		IdleConnTimeout:     idleTimeout,
		DisableCompression:  true, // bodies pass as they are
	}
}

func newRouter(dynamodb, sqs *url.URL, queues string, transport http.RoundTripper) *router {
	return &router{
		dynamodb: proxy(dynamodb, transport),
		sqs:      proxy(sqs, transport),
		health:   health{dynamodb, sqs, queues, transport},
	}
}

// ServeHTTP implements http.Handler.
func (r *router) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	target := request.Header.Get("X-Amz-Target")
	service, _, _ := strings.Cut(target, ".")
	switch {
	case service == "DynamoDB_20120810", service == "DynamoDBStreams_20120810":
		r.dynamodb.ServeHTTP(w, request)
	case service == "AmazonSQS":
		r.sqs.ServeHTTP(w, request)
	case request.URL.Path == healthPath:
		r.health.ServeHTTP(w, request)
	case target == "":
		refuse(w, http.StatusBadRequest, "MissingAction",
			"no X-Amz-Target: only the JSON protocols of DynamoDB, DynamoDB Streams and SQS are spoken here")
	default:
		refuse(w, http.StatusNotImplemented, "UnknownOperationException",
			target+": only DynamoDB, DynamoDB Streams and SQS are here")
	}
}

func proxy(server *url.URL, transport http.RoundTripper) http.Handler {
	return &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(server)
			r.Out.Host = r.In.Host // queues' addresses are made of it
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() != nil { // the client is gone
				panic(http.ErrAbortHandler)
			}
			log.Printf("%s: %v", r.Header.Get("X-Amz-Target"), err)
			refuse(w, http.StatusServiceUnavailable, "ServiceUnavailable", err.Error())
		},
	}
}

// refuse answers with an error as AWS's JSON protocols have it.
func refuse(w http.ResponseWriter, status int, code, message string) {
	write(w, "application/x-amz-json-1.0", status, map[string]string{"__type": code, "message": message})
}

func write(w http.ResponseWriter, contentType string, status int, body any) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // fails if the client is gone
}

// health answers like LocalStack's, once every server does.
type health struct {
	dynamodb, sqs *url.URL
	queues        string // the name of the server for queues
	transport     http.RoundTripper
}

// ServeHTTP implements http.Handler.
func (h health) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), probeTimeout)
	defer cancel()
	status, state := http.StatusOK, "running"
	if err := errors.Join(h.probe(ctx, h.dynamodb, ""), h.probe(ctx, h.sqs, "AmazonSQS.ListQueues")); err != nil {
		status, state = http.StatusServiceUnavailable, "starting"
	}
	write(w, "application/json", status, map[string]any{
		"services": map[string]string{"dynamodb": state, "dynamodbstreams": state, "sqs": state},
		"edition":  "postroom-standin",
		"queues":   h.queues,
		"version":  imitated,
	})
}

// probe accepts any answer that is not the server's own failure. With an operation it
// asks for that: LocalStack answers long before it has all that a request needs.
func (h health) probe(ctx context.Context, server *url.URL, operation string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.JoinPath("/").String(), nil)
	if operation != "" {
		request, err = http.NewRequestWithContext(ctx, http.MethodPost, server.JoinPath("/").String(), strings.NewReader("{}"))
	}
	if err != nil {
		return err
	}
	if operation != "" {
		request.Header.Set("Content-Type", "application/x-amz-json-1.0")
		request.Header.Set("X-Amz-Target", operation)
	}
	response, err := h.transport.RoundTrip(request)
	if err != nil {
		return err
	}
	if response.StatusCode >= http.StatusInternalServerError {
		err = errors.New(response.Status)
	}
	_, read := io.Copy(io.Discard, response.Body) // so that the connection is kept
	return errors.Join(err, read, response.Body.Close())
}
