package webhook

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

// Whatever goes wrong, and even where the receiver repeats what it was sent,
// nothing of the URL but its origin, and nothing of the keys, is in an error or
// in the log.
func TestQ14SecretsShowNowhere(t *testing.T) {
	t.Parallel()
	const (
		path  = "/services/T0001/pathword-24-bytes-long-xx"
		query = "?token=hush%2FxyzzyB%2BxyzzyC&sig=aGVsbG8%3D"
	)
	secrets := []string{"pathword", "services", "hush", "xyzzy", "aGVsbG8", keyText(1)[len(keyPrefix):]}
	closed := receiver(t, answers(200))
	closed.Close()
	plain := receiver(t, answers(200))
	says := func(status int, more ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			answers(status, more...)(w, r)
			decoded, _ := url.QueryUnescape(r.URL.RawQuery)
			for _, repeated := range []string{
				r.URL.Query().Get("token"), url.QueryEscape(r.URL.Query().Get("token")),
				strings.ReplaceAll(r.URL.Query().Get("token"), "/", `\/`), r.URL.Query().Get("sig"),
				strings.TrimPrefix(path, "/services/T0001/"), decoded,
			} {
				fmt.Fprintf(w, "no %s, ", repeated)
			}
		}
	}
	for name, test := range map[string]struct {
		h    http.HandlerFunc
		base string
	}{
		"404":           {says(404), ""},
		"410":           {says(410), ""},
		"422":           {says(422), ""},
		"429":           {says(429), ""},
		"500":           {says(500), ""},
		"redirect":      {says(302, "Location", "https://other.example"+path+query), ""},
		"redirect here": {says(301, "Location", path+query), ""},
		"bad redirect":  {says(308, "Location", "::"+path+query), ""},
		"circle":        {says(308, "Location", path+query), ""},
		"bad protocol": {func(w http.ResponseWriter, r *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			io.WriteString(c, r.URL.String()[len("/services/T0001/"):]+"\r\n\r\n")
			c.Close()
		}, ""},
		"nobody listens":  {nil, closed.URL},
		"no TLS":          {nil, strings.Replace(plain.URL, "http", "https", 1)},
		"address refused": {nil, "http://receiver.example"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base := test.base
			if base == "" {
				base = receiver(t, test.h).URL
			}
			log, logger := newLog()
			s := newSink(t, base+path+query, Options{Logger: logger})
			if name == "address refused" {
				permitted := func(a netip.Addr) error { return permit(a, false, false) }
				s.transport = newTransport(s.opts, permitted, net.Dialer{Resolver: nameServer(func() [4]byte { return [4]byte{10, 0, 0, 1} })})
			}
			err := handle(t.Context(), s, event)
			if err == nil {
				t.Fatal("delivered")
			}
			out := log.String() + fmt.Sprintf("%+v %#v %v %+v", s, err, s.Disabled(), s.Stats())
			for e := err; e != nil; e = errors.Unwrap(e) {
				out += fmt.Sprintf("\n%v", e)
			}
			for _, secret := range secrets {
				if strings.Contains(out, secret) {
					t.Errorf("%q shows in: %s", secret, out)
				}
			}
		})
	}
}
