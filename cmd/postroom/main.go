package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	_ "golang.org/x/crypto/x509roots/fallback" // for an image that has no roots
	"golang.org/x/term"
)

func main() {
	ctx, stop := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		stop()
		<-signals
		fmt.Fprintln(os.Stderr, "postroom: second signal, ending at once")
		os.Exit(exitFailed)
	}()
	terminal := term.IsTerminal(int(os.Stderr.Fd()))
	os.Exit(run(ctx, os.Args[1:], process{
		stdin:       os.Stdin,
		stdout:      os.Stdout,
		stderr:      os.Stderr,
		getenv:      os.Getenv,
		terminal:    terminal,
		screen:      term.IsTerminal(int(os.Stdout.Fd())),
		interactive: terminal && term.IsTerminal(int(os.Stdin.Fd())),
		command:     commandLine(),
	}))
}

// commandLine returns how a person starts this program again.
func commandLine() string {
	path, err := os.Executable()
	if err != nil || !strings.Contains(filepath.ToSlash(path), "/go-build") {
		return os.Args[0]
	}
	if _, err := os.Stat("cmd/postroom"); err == nil {
		return "go run ./cmd/postroom"
	}
	return "go run github.com/postroom/postroom/cmd/postroom"
}
