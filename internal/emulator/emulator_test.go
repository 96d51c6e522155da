package emulator

import (
	"errors"
	"net/http"
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
	if _, err := moduleRoot(t.TempDir()); !errors.Is(err, errNotInstalled) {
		t.Error(err)
	}
	for _, s := range []Server{Dynoxide, Fauxqs, Moto, LocalStack, ElasticMQ} {
		if _, err := s.start(t.TempDir()); !errors.Is(err, errNotInstalled) {
			t.Errorf("%s: %v", s, err)
		}
	}
}

func TestAddressIsFoundInTheOutput(t *testing.T) {
	t.Parallel()
	if p, err := start(says("listening on http://"), "/bin/echo", "listening on http://127.0.0.1:1"); err != nil || p.url != "http://127.0.0.1:1" {
		t.Errorf("an address was not found: %v", err)
	} else if err := p.stop(); err != nil {
		t.Error(err)
	}
}
