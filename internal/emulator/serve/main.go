// Serve runs the emulators for a script: it prints the environment that leads
// AWS clients to them, as lines of shell, then an empty line, and stops them
// when its standard input ends or it gets SIGTERM. Its argument is one of the pairs
// of servers; dynoxide+fauxqs by default.
//
//	mkfifo hold && go run ./internal/emulator/serve dynoxide+elasticmq <hold >env &
//	exec 3>hold                      # closing 3 stops the servers
//	until grep -q '^$' env; do sleep 0.1; done; . ./env
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/postroom/postroom/internal/emulator"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "emulators:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	servers, err := pair(os.Args[1:])
	if err != nil {
		return err
	}
	endpoints, err := servers.Open()
	if err != nil {
		return err
	}
	for _, e := range endpoints.Environ() {
		name, value, _ := strings.Cut(e, "=")
		fmt.Printf("export %s='%s'\n", name, value)
	}
	fmt.Println()
	ended := make(chan struct{})
	go func() { // ends with the process at the latest
		defer close(ended)
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()
	select {
	case <-ctx.Done():
	case <-ended:
	}
	return servers.Close()
}

func pair(arguments []string) (*emulator.Set, error) {
	pairs := emulator.Pairs()
	if len(arguments) == 0 {
		return pairs[0], nil
	}
	for _, p := range pairs {
		if p.String() == arguments[0] {
			return p, nil
		}
	}
	return nil, fmt.Errorf("%q is not one of %v", arguments[0], pairs)
}
