package integration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/modules/localstack"
	"github.com/testcontainers/testcontainers-go/wait"
)

const (
	defaultImage = "localstack/localstack:4.14.0"
	port         = "4566/tcp"
	startTimeout = 5 * time.Minute

	// runLabel is on each container, so that a script that interrupts the tests can
	// remove what they have left.
	runLabel = "postroom.run"
)

// server stands in for AWS.
type server struct {
	url       string                          // empty: AWS itself
	file      string                          // of the local backend, which is used instead of a server
	container *localstack.LocalStackContainer // nil: the tests have not started it
	docker    *testcontainers.DockerClient
}

// unavailable returns why the tests cannot run here, or nil.
var unavailable = sync.OnceValue(func() error {
	if os.Getenv("POSTROOM_INTEGRATION") == "" {
		return errors.New("not asked for: run `make integration`, or set POSTROOM_INTEGRATION=1")
	}
	if os.Getenv("POSTROOM_ENDPOINT_URL") != "" {
		return nil
	}
	if err := docker(); err != nil {
		why, _, _ := strings.Cut(err.Error(), "\n")
		return fmt.Errorf("no Docker here: start it, or name a server that runs with POSTROOM_ENDPOINT_URL, then `make integration` (%s)", why)
	}
	return nil
})

func docker() (err error) {
	defer func() { // testcontainers panics where it finds no socket
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	provider, err := testcontainers.ProviderDocker.GetProvider()
	if err != nil {
		return err
	}
	defer provider.Close()
	return provider.Health(context.Background())
}

func image() string {
	if name := os.Getenv("POSTROOM_LOCALSTACK_IMAGE"); name != "" {
		return name
	}
	return defaultImage
}

// sharedServer returns the server that all tests share that do not break it.
func sharedServer(t *testing.T) *server {
	t.Helper()
	need(t, unavailable())
	s, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var shared = sync.OnceValues(func() (*server, error) {
	switch url := os.Getenv("POSTROOM_ENDPOINT_URL"); url {
	case "":
		return run(context.Background())
	case "aws":
		return &server{}, nil
	default:
		return &server{url: url}, nil
	}
})

// closeShared removes the shared server, if a test used it.
func closeShared() error {
	if unavailable() != nil {
		return nil
	}
	s, err := shared()
	if err != nil || s.container == nil {
		return nil // that error has failed a test already
	}
	return s.container.Terminate(context.Background(), testcontainers.StopTimeout(0))
}

// roomyServer returns a server for one test that puts a heavy load on it, if there
// can be more than one server.
func roomyServer(t *testing.T) *server {
	t.Helper()
	if os.Getenv("POSTROOM_ENDPOINT_URL") != "" {
		return sharedServer(t)
	}
	return ownServer(t)
}

// ownServer returns a server for one test, which may break it.
func ownServer(t *testing.T) *server {
	t.Helper()
	need(t, unavailable())
	if os.Getenv("POSTROOM_ENDPOINT_URL") != "" {
		need(t, errors.New("this test breaks its server: it needs Docker, and no POSTROOM_ENDPOINT_URL"))
	}
	s, err := run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	testcontainers.CleanupContainer(t, s.container, testcontainers.StopTimeout(0))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the server said: %s", s.logs())
		}
	})
	return s
}

// run starts a container and returns once the server in it answers.
func run(ctx context.Context) (*server, error) {
	docker, err := testcontainers.NewDockerClientWithOpts(ctx)
	if err != nil {
		return nil, err
	}
	c, err := localstack.Run(ctx, image(),
		testcontainers.WithEnv(map[string]string{
			"SERVICES":                   "dynamodb,dynamodbstreams,sqs",
			"EAGER_SERVICE_LOADING":      "1",
			"PROVIDER_OVERRIDE_DYNAMODB": "v2",
			// The server keeps its data over a restart, if it can.
			"PERSISTENCE": "1",
		}),
		testcontainers.WithWaitStrategyAndDeadline(startTimeout,
			wait.ForHTTP("/_localstack/health").WithPort(port).WithStartupTimeout(startTimeout)),
		testcontainers.WithLabels(map[string]string{runLabel: os.Getenv("POSTROOM_RUN")}),
		testcontainers.WithHostConfigModifier(func(config *container.HostConfig) {
			config.Binds = nil // the module mounts the socket of Docker
		}),
	)
	s := &server{container: c, docker: docker}
	if err != nil {
		err = fmt.Errorf("%w\nPOSTROOM_LOCALSTACK_IMAGE names another image, and `make localstack-standin` builds one without a registry", err)
		return nil, errors.Join(err, testcontainers.TerminateContainer(c, testcontainers.StopTimeout(0)))
	}
	return s, s.locate(ctx)
}

// locate finds the server's address, which may change with each start.
func (s *server) locate(ctx context.Context) (err error) {
	s.url, err = s.container.PortEndpoint(ctx, port, "http")
	return err
}

// address returns the host and port of a server in a container.
func (s *server) address() string { return strings.TrimPrefix(s.url, "http://") }

// pause suspends the server's processes; resume lets them continue. Docker fails now
// and then when it cannot suspend one of them ("unable to freeze"), and lets all of
// them continue.
func (s *server) pause(ctx context.Context) (err error) {
	for range 5 {
		_, err = s.docker.ContainerPause(ctx, s.container.GetContainerID(), client.ContainerPauseOptions{})
		if err == nil || !strings.Contains(err.Error(), "unable to freeze") {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
	return err
}

func (s *server) resume(ctx context.Context) error {
	_, err := s.docker.ContainerUnpause(ctx, s.container.GetContainerID(), client.ContainerUnpauseOptions{})
	return err
}

// kill ends the server's processes at once.
func (s *server) kill(ctx context.Context) error {
	_, err := s.docker.ContainerKill(ctx, s.container.GetContainerID(), client.ContainerKillOptions{Signal: "KILL"})
	return err
}

// start starts the server again after a kill.
func (s *server) start(ctx context.Context) error {
	if _, err := s.docker.ContainerStart(ctx, s.container.GetContainerID(), client.ContainerStartOptions{}); err != nil {
		return err
	}
	return s.await(ctx)
}

// remove removes the server with all its data.
func (s *server) remove(ctx context.Context) error {
	return s.container.Terminate(ctx, testcontainers.StopTimeout(0))
}

// await waits until the server answers.
func (s *server) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		err := s.locate(ctx)
		if err == nil {
			if err = s.healthy(ctx); err == nil {
				return nil
			}
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("the server does not come up: %w", err)
		}
	}
}

func (s *server) healthy(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/_localstack/health", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("health: %s", response.Status)
	}
	return nil
}

// logs returns the end of the server's log.
func (s *server) logs() string {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	reader, err := s.container.Logs(ctx)
	if err != nil {
		return err.Error()
	}
	defer reader.Close()
	text, err := io.ReadAll(reader)
	if err != nil {
		return err.Error()
	}
	const most = 4 << 10
	return string(text[max(0, len(text)-most):])
}
