package webhook

import (
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

// Within the origin the event goes where it is sent, the same in every hop.
func TestQ14RedirectWithinTheOrigin(t *testing.T) {
	t.Parallel()
	for _, status := range []int{307, 308} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			var seen []string
			server := receiver(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				seen = append(seen, fmt.Sprint(r.Method, r.URL, string(body), r.Header["Webhook-Signature"], r.Header["Referer"]))
				switch r.URL.Path {
				case "/a":
					answers(status, "Location", "b?c=1#d")(w, r)
				case "/b":
					answers(status, "Location", "http://user:password@"+strings.ToUpper(r.Host)+"/c")(w, r)
				case "/c":
					if _, _, ok := r.BasicAuth(); ok {
						t.Error("sends what a Location says as a password")
					}
					w.WriteHeader(http.StatusNoContent)
				}
			})
			s := newSink(t, server.URL+"/a", Options{})
			wants(t, s, handle(t.Context(), s, event), "done", Delivered)
			if n := s.Stats().Requests; n != 3 || len(seen) != 3 {
				t.Fatalf("%d requests, %q", n, seen)
			}
			for i, path := range []string{"/a", "/b?c=1", "/c"} {
				if want := strings.Replace(seen[0], "POST/a", "POST"+path, 1); seen[i] != want {
					t.Errorf("hop %d: %s\nwant   %s", i+1, seen[i], want)
				}
			}
		})
	}
}

func TestQ14RedirectsThatAreRefused(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int64
	other := receiver(t, func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) })
	for name, test := range map[string]struct {
		status   int
		location string
		says     string
	}{
		"another port":      {307, other.URL + "/hook?token=hush", "a 307 leads to " + other.URL + "; if that is correct, use it"},
		"another host":      {308, "http://localhost:1/", "leads to http://localhost:1;"},
		"another scheme":    {308, "https://{host}/", "leads to https://127.0.0.1"},
		"no scheme of ours": {308, "file:///etc/passwd", "has no valid location"},
		"script":            {308, "javascript:alert(1)", "has no valid location"},
		"loses the event":   {301, "/new", "a 301 to http://127.0.0.1"},
		"see other":         {303, "/done", "a 303 to http://127.0.0.1"},
		"found elsewhere":   {302, other.URL, "a 302 leads to " + other.URL},
		"nowhere":           {307, "", "a 307 has no valid location"},
		"malformed":         {307, "http://a b:x/hush", "has no valid location"},
		"in circles":        {307, "/", "more than 3 in a row"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := receiver(t, func(w http.ResponseWriter, r *http.Request) {
				if location := strings.ReplaceAll(test.location, "{host}", r.Host); location != "" {
					w.Header().Set("Location", location)
				}
				w.WriteHeader(test.status)
			})
			s := newSink(t, server.URL, Options{})
			err := handle(t.Context(), s, event)
			wants(t, s, err, "fails", Redirected)
			if !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "hush") {
				t.Errorf("want %q in: %v", test.says, err)
			}
			if n := s.Stats().Requests; n > maxRedirects+1 {
				t.Errorf("%d requests", n)
			}
		})
	}
	t.Cleanup(func() {
		if elsewhere.Load() != 0 {
			t.Error("the event went elsewhere")
		}
	})
}

func TestQ14HTTPSIsNotLeft(t *testing.T) {
	t.Parallel()
	plain := receiver(t, func(http.ResponseWriter, *http.Request) { t.Error("left https") })
	server := httptest.NewTLSServer(answers(307, "Location", plain.URL))
	t.Cleanup(server.Close)
	trusted := x509.NewCertPool()
	trusted.AddCert(server.Certificate())
	s := newSink(t, server.URL, Options{RootCAs: trusted})
	wants(t, s, handle(t.Context(), s, event), "fails", Redirected)
}

func TestSameOrigin(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		a, b string
		same bool
	}{
		{"https://a.example/x", "https://A.example:443/y?z", true},
		{"http://a.example", "http://a.example:80", true},
		{"https://[::1]", "https://[::1]:443", true},
		{"https://a.example", "http://a.example", false},
		{"https://a.example", "http://a.example:443", false},
		{"https://a.example", "https://a.example:80", false},
		{"https://a.example", "https://a.example.", false},
		{"https://a.example", "https://b.a.example", false},
	} {
		a, _ := url.Parse(test.a)
		b, _ := url.Parse(test.b)
		if sameOrigin(a, b) != test.same || sameOrigin(b, a) != test.same {
			t.Errorf("%s and %s: %v", a, b, !test.same)
		}
	}
}
