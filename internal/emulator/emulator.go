package emulator

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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

// Set is the servers that the tests of one package share. The zero Set is dynoxide
// and fauxqs; the servers start when the first test asks for them.
type Set struct {
	Tables Server // and streams; empty: Dynoxide
	Queues Server // empty: Fauxqs

	once      sync.Once // they were started
	lead      sync.Once // the clients know them
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
	endpoints := s.Run(t)
	s.lead.Do(func() { setenv(endpoints.Environ()) })
	return endpoints
}

// Run is Start for a test that leads its clients to the servers itself.
func (s *Set) Run(t testing.TB) Endpoints {
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

// Open starts the servers in a program that is not a test, unless they run already.
func (s *Set) Open() (Endpoints, error) {
	s.once.Do(func() {
		if s.err = s.start(); s.err != nil {
			s.err = errors.Join(s.err, s.Close())
		}
	})
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

var errNotInstalled = errors.New("run internal/emulator/install.sh, which says what it lacks")

func notInstalled(s Server) error { return fmt.Errorf("%s is not installed: %w", s, errNotInstalled) }

// servers are the servers for tables and for queues.
func (s *Set) servers() (tables, queues Server) {
	return cmp.Or(s.Tables, Dynoxide), cmp.Or(s.Queues, Fauxqs)
}

func (s *Set) start() error {
	directory, err := os.Getwd()
	if err != nil {
		return err
	}
	root, err := moduleRoot(directory)
	if err != nil {
		return err
	}
	tables, queues := s.servers()
	db, err := tables.start(root)
	if err != nil {
		return err
	}
	s.processes = append(s.processes, db)
	s.endpoints = Endpoints{DynamoDB: db.url, SQS: db.url}
	if queues == tables {
		return nil
	}
	q, err := queues.start(root)
	if err != nil {
		return err
	}
	s.processes = append(s.processes, q)
	s.endpoints.SQS = q.url
	return nil
}

// moduleRoot returns the folder with go.mod, looking upwards from a directory.
func moduleRoot(directory string) (string, error) {
	for missing(directory, "go.mod") {
		parent := filepath.Dir(directory)
		if parent == directory {
			return "", fmt.Errorf("no go.mod above: %w", errNotInstalled)
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
