package aws

import (
	"cmp"
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go/logging"

	"github.com/postroom/postroom/backend"
)

// Options of [Open]. The zero value takes everything from the environment and the
// shared configuration files.
type Options struct {
	// Region, such as "eu-west-1". Default: AWS_REGION, or the profile's.
	Region string
	// EndpointURL is the address of all three services, such as
	// "http://localhost:4566". Default: that of the environment or the profile, or
	// else AWS itself.
	EndpointURL string
	// CallTimeout bounds one call, its retries included; a Receive may take longer by
	// the time that it waits. Default: 5 s.
	CallTimeout time.Duration
}

const (
	callTimeout = 5 * time.Second
	// openTimeout bounds the search for credentials: a role's may come over the network,
	// a profile's from another program. Nobody retries it, so that a program that is
	// short of processor time must not exceed it.
	openTimeout = 30 * time.Second
	dialTimeout = 2 * time.Second
	// idleConns is how many idle connections to one host are kept: about as many as a
	// busy projector uses at once. Each further connection costs a TLS handshake.
	idleConns = 256
)

// Backend is a [backend.Backend] on AWS. It is safe for concurrent use.
type Backend struct {
	db      *dynamodb.Client
	streams *dynamodbstreams.Client
	sqs     *sqs.Client
	pool    *http.Transport
	closed  *atomic.Bool

	onDB, onStreams, onSQS *service
	clock                  clock

	mu     sync.Mutex
	queues map[string]*queue
}

var _ backend.Backend = (*Backend)(nil)

// Open prepares the clients of the three services. It fails if there are no
// credentials, for which it may ask the machine's role, for up to half a minute, or if a
// setting cannot be right, with a [*ConfigError]; it does not call the services.
func Open(ctx context.Context, o Options) (*Backend, error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	if err := checkPair(); err != nil {
		return nil, err
	}
	cfg, err := config.LoadDefaultConfig(ctx,
		config.WithRegion(o.Region),
		config.WithHTTPClient(newHTTPClient()),
		config.WithRetryer(newRetryer),
		config.WithLogger(logging.Nop{}),
	)
	if err != nil {
		return nil, explainConfig(err)
	}
	if err := checkRegion(cfg.Region, o); err != nil {
		return nil, err
	}
	if cfg.Credentials == nil {
		cfg.Credentials = awssdk.AnonymousCredentials{}
	}
	cfg.Credentials = credentials{cfg.Credentials}
	found, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, &backend.Error{Op: "open AWS", Kind: backend.KindDenied, Err: err}
	}
	if err := checkCharacters(found); err != nil {
		return nil, err
	}
	b := newBackend(cfg, o)
	return b, b.checkEndpoints(o)
}

func newBackend(cfg awssdk.Config, o Options) *Backend {
	// The client now contains what the configuration adds, such as AWS_CA_BUNDLE. Used
	// as it is, it would give each service a pool of its own.
	pool := cfg.HTTPClient.(*awshttp.BuildableClient).GetTransport()
	cfg.HTTPClient = &http.Client{Transport: bounded{pool}, CheckRedirect: noRedirect}
	var endpoint *string
	if o.EndpointURL != "" {
		endpoint = &o.EndpointURL
	}
	b := &Backend{
		streams: dynamodbstreams.NewFromConfig(cfg, func(c *dynamodbstreams.Options) {
			c.BaseEndpoint = cmp.Or(endpoint, c.BaseEndpoint)
		}),
		sqs: sqs.NewFromConfig(cfg, func(c *sqs.Options) {
			c.BaseEndpoint = cmp.Or(endpoint, c.BaseEndpoint)
			// A wrong checksum would fail a whole batch that the server has carried
			// out; TLS protects the transfer.
			c.DisableMessageChecksumValidation = true
		}),
		pool:   pool,
		closed: new(atomic.Bool),
		queues: map[string]*queue{},
	}
	b.db = dynamodb.NewFromConfig(cfg, func(c *dynamodb.Options) {
		c.BaseEndpoint = cmp.Or(endpoint, c.BaseEndpoint)
		// The SDK checks after it has decoded the answer, and only logs the result.
		c.DisableValidateResponseChecksum = true
		c.APIOptions = append(c.APIOptions, b.clock.observe)
	})
	timeout := cmp.Or(o.CallTimeout, callTimeout)
	b.onDB = b.service("DynamoDB", "AWS_ENDPOINT_URL_DYNAMODB", b.db.Options().BaseEndpoint, cfg.Region, timeout)
	b.onStreams = b.service("DynamoDB Streams", "AWS_ENDPOINT_URL_DYNAMODB_STREAMS", b.streams.Options().BaseEndpoint, cfg.Region, timeout)
	b.onSQS = b.service("SQS", "AWS_ENDPOINT_URL_SQS", b.sqs.Options().BaseEndpoint, cfg.Region, timeout)
	return b
}

// Table opens a table.
func (b *Backend) Table(name string) backend.Table { return b.table(name) }

func (b *Backend) table(name string) *table { return &table{name: name, b: b} }

// Stream opens the stream of a table.
func (b *Backend) Stream(name string) backend.Stream { return &stream{table: name, b: b} }

// Queue opens a queue.
func (b *Backend) Queue(name string) backend.Queue { return b.queue(name) }

// queue returns the one queue of a name, which remembers its URL.
func (b *Backend) queue(name string) *queue {
	b.mu.Lock()
	defer b.mu.Unlock()
	q := b.queues[name]
	if q == nil {
		q = &queue{name: name, b: b}
		b.queues[name] = q
	}
	return q
}

// Close closes the idle connections. Calls after it fail; calls that are running
// complete.
func (b *Backend) Close() error {
	b.closed.Store(true)
	b.pool.CloseIdleConnections()
	return nil
}
