package emulator

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(new(Set).Main(m)) }

func TestServersComeAndGo(t *testing.T) {
	var s Set
	first := s.Start(t)
	if again := s.Start(t); again != first {
		t.Errorf("started twice: %v and %v", first, again)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, url := range []string{first.DynamoDB, first.SQS} {
		response, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{first.DynamoDB, first.SQS} {
		if response, err := client.Get(url); err == nil {
			response.Body.Close()
			t.Errorf("%s still answers", url)
		}
	}
}

func TestNotInstalled(t *testing.T) {
	t.Parallel()
	nowhere, module := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(module, "go.mod"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, directory := range []string{nowhere, module} {
		if _, err := installed(directory); !errors.Is(err, errNotInstalled) {
			t.Errorf("%s: %v", directory, err)
		}
	}
}

func TestAddressIsFoundInTheOutput(t *testing.T) {
	t.Parallel()
	if p, err := start("/bin/echo", "listening on http://127.0.0.1:1 "); err != nil || p.url != "http://127.0.0.1:1" {
		t.Errorf("an address was not found: %v", err)
	} else if err := p.stop(); err != nil {
		t.Error(err)
	}
}
