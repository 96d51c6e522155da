package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"time"
)

// stopTimeout is how long the servers may take to end by themselves. By then they
// have written what they answered.
const stopTimeout = 500 * time.Millisecond

// children are the running servers. Their parent is the first process of a container,
// which becomes the parent of every process that loses its own: it waits for every
// process that ends.
type children struct {
	processes map[int]*exec.Cmd // by process id
	ended     chan error        // the first server that was not told to end
	stopping  atomic.Bool
	done      chan struct{} // closed when all servers have ended
}

// start starts all commands, or none. There is one set of children at a time.
func start(commands [][]string) (*children, error) {
	c := &children{
		processes: map[int]*exec.Cmd{},
		ended:     make(chan error, 1),
		done:      make(chan struct{}),
	}
	var failed error
	for _, command := range commands {
		cmd := exec.Command(command[0], command[1:]...)
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if failed = cmd.Start(); failed != nil {
			break
		}
		c.processes[cmd.Process.Pid] = cmd
	}
	go c.reap()
	if failed != nil {
		c.stop()
		return nil, failed
	}
	return c, nil
}

// reap waits for every process that ends, until no server is left.
func (c *children) reap() {
	defer close(c.done)
	for left := len(c.processes); left > 0; {
		var status syscall.WaitStatus
		id, err := syscall.Wait4(-1, &status, 0, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil { // nothing is left
			return
		}
		server, ok := c.processes[id]
		if !ok {
			continue
		}
		left--
		if !c.stopping.Load() {
			select {
			case c.ended <- fmt.Errorf("%s has ended: %s", server.Path, describe(status)):
			default: // another one was first
			}
		}
	}
}

// stop ends the servers and waits for them.
func (c *children) stop() {
	c.stopping.Store(true)
	c.signal(syscall.SIGTERM)
	timer := time.AfterFunc(stopTimeout, func() { c.signal(syscall.SIGKILL) })
	defer timer.Stop()
	<-c.done
}

func (c *children) signal(s syscall.Signal) {
	for _, server := range c.processes {
		_ = server.Process.Signal(s) // fails for those that have ended
	}
}

func describe(status syscall.WaitStatus) string {
	if status.Signaled() {
		return "by signal, " + status.Signal().String()
	}
	return fmt.Sprintf("exit code %d", status.ExitStatus())
}
