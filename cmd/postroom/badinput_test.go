package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/local"
)

// manyMessages are n messages of one conversation.
func manyMessages(t *testing.T, n int) string {
	t.Helper()
	var b strings.Builder
	for i := range n {
		b.WriteString(message(t, func(m *postroom.Message) {
			m.MessageUUID = fmt.Sprintf("aaaaaaaa-0000-4000-8000-%012d", i)
			m.CreatedAt = m.CreatedAt.Add(time.Duration(i) * time.Second)
			if i > 0 {
				m.Members = nil
			}
		}))
	}
	return b.String()
}

// failed checks that a command line ended with exit code 1, a clear error, and
// nothing on stdout.
func (s *shell) failed(want string, args ...string) {
	s.t.Helper()
	r := s.run(args...)
	if r.code != exitFailed || r.stdout != "" || !strings.Contains(r.stderr, want) || strings.Contains(r.stderr, "goroutine") {
		s.t.Errorf("postroom %s: %+v, want %q", strings.Join(args, " "), r, want)
	}
}

func TestP20FileWithBrokenLines(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	id := 100
	line := func(change func(*postroom.Message)) string {
		return message(t, func(m *postroom.Message) {
			id++
			m.MessageUUID, m.Members = fmt.Sprintf("aaaaaaaa-0000-4000-8000-%012d", id), nil
			change(m)
		})
	}
	text := message(t, nil) + // 1: good
		"{\n" +
		`{"message_group_uuid":"` + ada + `"}` + "\n" +
		strings.Replace(line(func(m *postroom.Message) { m.Text = "caf\u00e9" }), "\u00e9", "\xe9", 1) + // 4: Latin-1
		line(func(m *postroom.Message) { m.Text = strings.Repeat("x", 400<<10) }) +
		line(func(m *postroom.Message) { m.CreatedAt = time.Now().Add(time.Hour).Truncate(time.Second) }) +
		line(func(m *postroom.Message) {
			m.Members = []postroom.Member{{UserUUID: bob, DisplayName: "Bob", Handle: "@bob"}, {UserUUID: chloe, DisplayName: "C", Handle: "@c"}}
		}) + // 7
		message(t, func(m *postroom.Message) { m.Text = "other content" }) +
		line(func(*postroom.Message) {}) // 9: good
	r := s.run("post", "--json", "--file", s.file("broken.jsonl", text))
	if r.code != exitFailed || r.stdout != `{"stored":2,"already_there":0,"refused":7}`+"\n" {
		t.Errorf("exit code %d, stdout %s", r.code, r.stdout)
	}
	for number, want := range map[int]string{
		2: "unexpected EOF", 3: "created_at", 4: "UTF-8", 5: "400 KB", 6: "ahead", 7: "the sender", 8: "another message",
	} {
		found := false
		for l := range strings.Lines(r.stderr) {
			found = found || strings.Contains(l, fmt.Sprintf("broken.jsonl: line %d: ", number)) && strings.Contains(l, want)
		}
		if !found {
			t.Errorf("line %d is not reported with %q", number, want)
		}
	}
	if t.Failed() {
		t.Log(r.stderr)
	}
	if out := s.ok("messages", postroom.PairUUID(ada, bob), "--json"); strings.Count(out, "\n") != 2 {
		t.Errorf("the log has %s", out)
	}
}

func TestBadFiles(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.failed("no such file", "post", "--file", s.path("nothing"))
	s.failed("is a directory", "post", "--file", s.folder)
	s.failed("no such file", "dev", "--until-idle", "--addr", "127.0.0.1:0", "--import", s.path("nothing"))
	s.failed("is a directory", "dev", "--until-idle", "--addr", "127.0.0.1:0", "--import", s.folder)
	s.failed("not a JSON list of members", "post", "--from", ada, "--message", "x", "--members", s.file("members", "Ada"))
	s.failed("not among the members", "post", "--from", ada, "--message", "x", "--members", s.file("members", "[]"))
	s.failed("longer than 1048576 bytes", "post", "--from", ada, "--message", "x", "--members",
		s.file("members", strings.Repeat(" ", maxMembersBytes+1)))
	s.failed("longer than 65536 bytes", "consume", "--sink", "webhook", "--webhook-url", "https://example.com",
		"--webhook-secret-file", s.file("secrets", strings.Repeat(" ", maxSecretBytes+1)))
	if _, err := os.Stat(s.path("nothing.db")); err == nil {
		t.Error("a data file was made")
	}
	cut := s.file("cut.gz", "\x1f\x8b\x08\x00")
	s.failed("cut.gz", "post", "--file", cut)
	s.failed("400 KB", "post", "--from", ada, "--to", bob, "--message", strings.Repeat("x", 400<<10))
	s.failed("ahead", "post", "--from", ada, "--to", bob, "--message", "x", "--created-at", "2999-01-01T00:00:00Z")
	s.failed("oneself", "post", "--from", ada, "--to", ada, "--message", "x")
}

func TestBadDataFile(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	text := s.file("text.db", strings.Repeat("This is no database. ", 100))
	for _, command := range [][]string{
		{"inbox", ada}, {"status"}, {"verify"}, {"provision"}, {"project"}, {"consume"},
		{"post", "--from", ada, "--to", bob, "--message", "x"},
		{"dev", "--addr", "127.0.0.1:0", "--until-idle"},
	} {
		s.failed("not a SQLite database", append(command, "--data", text)...)
		s.failed("folder", append(command, "--data", s.folder)...)
	}
	s.failed("no data file", "inbox", ada, "--data", s.path("nothing.db"))
	s.failed("folder", "provision", "--data", s.path("no/such/folder.db"))
	if got, err := os.ReadFile(text); err != nil || !strings.HasPrefix(string(got), "This is no database.") {
		t.Errorf("the file was changed to %q (%v)", got, err)
	}
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, command := range []string{"dev", "project", "consume"} {
		s.failed("--addr", command, "--addr", l.Addr().String())
	}
	if _, err := os.Stat(s.path("postroom.db")); err == nil {
		t.Error("a data file was made before")
	}
}

func TestTableOfAnotherShape(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	b, err := local.Open(s.path("postroom.db"), local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = b.CreateTable(t.Context(), backend.TableSpec{Name: defaultTable, PartitionKey: "id", SortKey: "at"})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{
		{"provision"}, {"project"}, {"dev", "--addr", "127.0.0.1:0"},
		{"post", "--from", ada, "--to", bob, "--message", "x"},
	} {
		s.failed(defaultTable, command...)
	}
}

// awsAt sets what the SDK needs to speak to a server of the test.
func awsAt(t *testing.T) {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

func TestEndpointThatDoesNotAnswer(t *testing.T) {
	awsAt(t)
	s := newShell(t)
	const nobody = "http://127.0.0.1:1"
	for _, command := range [][]string{
		{"provision"}, {"destroy"}, {"status"}, {"verify"}, {"project"}, {"consume"}, {"inbox", ada}, {"inbox", "--all"},
	} {
		s.failed(nobody, append(command, "--backend", "aws", "--region", "eu-west-1", "--endpoint-url", nobody)...)
	}
}

func TestWrongCredentials(t *testing.T) {
	awsAt(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{
			"__type":  "com.amazon.coral.service#UnrecognizedClientException",
			"message": "The security token included in the request is invalid.",
		})
	}))
	defer server.Close()
	s := newShell(t)
	for _, command := range [][]string{
		{"provision"}, {"status"}, {"project"}, {"consume"}, {"inbox", ada},
		{"post", "--from", ada, "--to", bob, "--message", "x"},
	} {
		s.failed("security token", append(command, "--backend", "aws", "--region", "eu-west-1", "--endpoint-url", server.URL)...)
	}
}
