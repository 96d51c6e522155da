package emulator

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	startTimeout = 2 * time.Minute // of a busy machine
	stopTimeout  = 30 * time.Second
)

// underShell runs a program until standard input ends, so that it never outlives the
// tests, even if they are killed.
const underShell = `"$@" & program=$!; read -r _; kill "$program"; wait "$program"`

// process is one running server.
type process struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	output *output
	url    string
	folder string // removed when it has stopped; empty: none
}

// start runs a server and returns once it has said where it listens.
func start(listening *regexp.Regexp, command ...string) (*process, error) {
	p := &process{
		cmd:    exec.Command("/bin/sh", append([]string{"-c", underShell, "sh"}, command...)...),
		output: &output{listening: listening, found: make(chan string, 1)},
	}
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	p.cmd.WaitDelay = stopTimeout
	// What leads clients to the servers is not for the servers, some of which are
	// themselves clients of AWS.
	p.cmd.Env = slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.HasPrefix(e, "AWS_") })
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	timeout := time.NewTimer(startTimeout)
	defer timeout.Stop()
	select {
	case p.url = <-p.output.found:
		return p, nil
	case <-timeout.C:
		err := fmt.Errorf("%s did not say within %s where it listens; it said: %s", command[0], startTimeout, p.output)
		return nil, errors.Join(err, p.stop())
	}
}

// stop ends the server and waits for it.
func (p *process) stop() error {
	_ = p.stdin.Close() // tells the shell to stop the server
	timer := time.AfterFunc(stopTimeout, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	err := p.cmd.Wait()
	if p.folder != "" {
		if err := os.RemoveAll(p.folder); err != nil {
			return err
		}
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) { // by the signal that the shell sent
		return nil
	}
	return err
}

// output collects a server's output, and finds the address in it.
type output struct {
	listening *regexp.Regexp // until it was found
	found     chan string

	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(b)
	if o.listening == nil {
		return len(b), nil
	}
	if m := o.listening.FindSubmatch(o.text.Bytes()); m != nil {
		o.found <- "http://" + string(m[1])
		o.listening = nil
	}
	return len(b), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
