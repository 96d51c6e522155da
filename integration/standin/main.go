// Standin is the process of the image that stands in for LocalStack: it starts
// dynoxide, and LocalStack's SQS or fauxqs, whichever the image has, and passes them
// what comes in on one port.
//
//	standin          serve, until SIGTERM
//	standin health   succeed if the server of this machine is healthy
//
// With PERSISTENCE=1 in the environment, and fauxqs, tables and queues are kept in
// /var/lib/localstack; otherwise they are lost when the process ends, as with LocalStack.
// Other settings of LocalStack have no meaning here.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

const (
	port         = "4566"
	dynoxidePort = "8000"
	sqsPort      = "8001"
	stateFolder  = "/var/lib/localstack"

	// localStack is in the image where its SQS is: the packages that it imports.
	localStack = "/opt/localstack"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "standin:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) > 0 {
		if arguments[0] != "health" {
			return fmt.Errorf("%q is not known: health, or nothing", arguments[0])
		}
		return checkHealth("http://127.0.0.1:" + port + healthPath)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", ":"+port)
	if err != nil {
		return err
	}
	queues := "fauxqs"
	if _, err := os.Stat(localStack); err == nil {
		queues = "localstack"
	}
	commands, err := servers(queues, os.Getenv("PERSISTENCE"), stateFolder)
	if err != nil {
		return err
	}
	router := newRouter(loopback(dynoxidePort), loopback(sqsPort), queues, newTransport())
	return serve(ctx, listener, router, commands)
}

// servers are the commands of the image's servers, which keep their data in a folder
// if there is one. LocalStack's SQS keeps nothing, and then no table may be kept
// either: messages would be in a table whose notifications are gone.
func servers(queues, persistence, folder string) ([][]string, error) {
	dynoxide := []string{"/opt/dynoxide", "serve", "--host", "127.0.0.1", "--port", dynoxidePort}
	if queues == "localstack" {
		return [][]string{dynoxide, {"/opt/python", "/opt/serve_localstack.py", sqsPort, "/tmp"}}, os.Setenv("PYTHONPATH", localStack)
	}
	fauxqs := []string{"/opt/node", "--disable-warning=ExperimentalWarning",
		"/opt/fauxqs.mjs", "/opt/node_modules", sqsPort}
	if persistence == "1" || persistence == "true" {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return nil, err
		}
		dynoxide = append(dynoxide, "--db-path", filepath.Join(folder, "dynoxide.db"))
		fauxqs = append(fauxqs, folder)
	}
	return [][]string{dynoxide, fauxqs}, nil
}

func loopback(port string) *url.URL {
	return &url.URL{Scheme: "http", Host: net.JoinHostPort("127.0.0.1", port)}
}

// serve runs the commands and answers on the listener until the context is done,
// which is not an error, or a command ends, which is.
func serve(ctx context.Context, listener net.Listener, handler http.Handler, commands [][]string) error {
	children, err := start(commands)
	if err != nil {
		return err
	}
	defer children.stop()
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case <-ctx.Done():
	case err = <-children.ended:
	case err = <-served:
		return err
	}
	_ = server.Close() // without waiting for requests, as LocalStack does
	if closed := <-served; !errors.Is(closed, http.ErrServerClosed) {
		err = errors.Join(err, closed)
	}
	return err
}

// checkHealth fails unless the address answers that all is well.
func checkHealth(address string) error {
	client := &http.Client{Timeout: 2 * probeTimeout}
	defer client.CloseIdleConnections()
	response, err := client.Get(address)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", address, response.Status)
	}
	return nil
}
