package integration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/rs/zerolog"
	tclog "github.com/testcontainers/testcontainers-go/log"
)

// TestMain does not check for leaked goroutines: Toxiproxy leaks some.
func TestMain(m *testing.M) {
	if reason := unavailable(); reason != nil {
		fmt.Fprintln(os.Stderr, "integration:", reason)
	}
	tclog.SetDefault(log.New(io.Discard, "", 0))
	zerolog.SetGlobalLevel(zerolog.Disabled) // Toxiproxy's toxics trace every interruption
	if os.Getenv("POSTROOM_ENDPOINT_URL") != "aws" {
		for name, value := range account {
			_ = os.Setenv(name, value) // refuses malformed names only
		}
	}
	code := m.Run()
	http.DefaultClient.CloseIdleConnections()
	if err := errors.Join(closeShared(), os.RemoveAll(programs())); err != nil {
		fmt.Fprintln(os.Stderr, "integration:", err)
		code = 1
	}
	os.Exit(code)
}

// account is the environment of every client, on any server but AWS.
var account = map[string]string{
	"AWS_REGION":                "us-east-1",
	"AWS_ACCESS_KEY_ID":         "test",
	"AWS_SECRET_ACCESS_KEY":     "test",
	"AWS_SESSION_TOKEN":         "",
	"AWS_PROFILE":               "",
	"AWS_ENDPOINT_URL":          "",
	"AWS_EC2_METADATA_DISABLED": "true",
}

// need skips the test if there is a reason to, or fails it if no test may be
// skipped.
func need(t *testing.T, reason error) {
	t.Helper()
	switch {
	case reason == nil:
	case os.Getenv("POSTROOM_INTEGRATION") == "required":
		t.Fatal(reason)
	default:
		t.Skip(reason)
	}
}

// programs is the folder with the built programs.
var programs = sync.OnceValue(func() string {
	directory, err := os.MkdirTemp("", "postroom-integration")
	if err != nil {
		panic(err)
	}
	return directory
})

// built is the path of the program under test: POSTROOM_PROGRAM, if it is built
// already.
var built = sync.OnceValues(func() (string, error) {
	if program := os.Getenv("POSTROOM_PROGRAM"); program != "" {
		return program, nil
	}
	return compile("postroom")
})

// compile builds the program, with more arguments for the compiler.
func compile(name string, args ...string) (string, error) {
	program := filepath.Join(programs(), name)
	args = append([]string{"build", "-o", program}, args...)
	build := exec.CommandContext(context.Background(), "go", append(args, "../cmd/postroom")...)
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build postroom: %w\n%s", err, out)
	}
	return program, nil
}
