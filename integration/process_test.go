package integration

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is one of our programs under way.
type process struct {
	t      *testing.T
	name   string
	cmd    *exec.Cmd
	log    *lines        // standard error
	exited chan struct{} // closed when it has ended
	err    error         // how; once exited
}

// spawn starts a program; each line that it prints goes to line. It is killed
// with the test.
func spawn(t *testing.T, program, name string, environ []string, line func(string), args ...string) *process {
	t.Helper()
	p := &process{t: t, name: name, log: &lines{}, exited: make(chan struct{})}
	p.cmd = exec.Command(program, args...)
	p.cmd.Env = environ
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.name = fmt.Sprintf("%s %d", name, p.cmd.Process.Pid)
	var readers sync.WaitGroup
	readers.Go(func() { eachLine(stdout, line) })
	readers.Go(func() { eachLine(stderr, p.log.add) })
	go func() {
		defer close(p.exited)
		readers.Wait()
		p.err = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%s said:\n%s", p.name, p.log.tail(40))
		}
	})
	return p
}

// eachLine passes on whole lines: a killed process may leave half a line.
func eachLine(r io.Reader, line func(string)) {
	for b := bufio.NewReaderSize(r, 1<<20); ; {
		text, err := b.ReadString('\n')
		if err != nil {
			return
		}
		line(strings.TrimSuffix(text, "\n"))
	}
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("%s: %v", p.name, err)
	}
}

// kill ends the process at once, and returns when it is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.exited
}

// freeze suspends the process; thaw lets it continue.
func (p *process) freeze() { p.signal(syscall.SIGSTOP) }
func (p *process) thaw()   { p.signal(syscall.SIGCONT) }

// stopTime is how long a stop may take: two seconds, and more on a busy machine.
const stopTime = 10 * time.Second

// stop asks the process to end, and expects that it does so without an error.
func (p *process) stop() {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	select {
	case <-p.exited:
		if p.err != nil {
			p.t.Errorf("%s, told to stop: %v", p.name, p.err)
		}
	case <-time.After(stopTime):
		p.t.Errorf("%s did not stop within %v", p.name, stopTime)
		p.kill()
	}
}

// running reports whether the process has not ended.
func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// peak is the most memory that the process has had so far, in MB; 0 if the system
// does not say.
func (p *process) peak() int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if m == nil {
		return 0
	}
	kb, _ := strconv.Atoi(string(m[1])) // digits
	return kb >> 10
}

// lines collects the output of a process, for several readers.
type lines struct {
	mu   sync.Mutex
	text []string
	came chan struct{} // closed at the next line
}

func (l *lines) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, line)
	if l.came != nil {
		close(l.came)
		l.came = nil
	}
}

func (l *lines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text[:len(l.text):len(l.text)]
}

func (l *lines) tail(n int) string {
	all := l.all()
	return strings.Join(all[max(0, len(all)-n):], "\n")
}

// next returns the lines so far, and a channel that closes at the next one.
func (l *lines) next() ([]string, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.came == nil {
		l.came = make(chan struct{})
	}
	return l.text[:len(l.text):len(l.text)], l.came
}

// says waits until the process has logged a line that contains a text.
func (p *process) says(text string) error {
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		lines, more := p.log.next()
		for _, line := range lines {
			if strings.Contains(line, text) {
				return nil
			}
		}
		select {
		case <-more:
		case <-p.exited:
			if p.said(text) {
				return nil
			}
			return fmt.Errorf("%s ended (%v) without saying %q", p.name, p.cmd.ProcessState, text)
		case <-timeout.C:
			return fmt.Errorf("%s did not say %q within %v", p.name, text, patience)
		}
	}
}

// said reports whether the process has logged a line that contains a text.
func (p *process) said(text string) bool {
	return slices.ContainsFunc(p.log.all(), func(line string) bool { return strings.Contains(line, text) })
}

// result is the outcome of a command.
type result struct {
	stdout, stderr string
	code           int
}

// command runs a program to its end.
func command(t *testing.T, program string, environ []string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = environ, &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}
