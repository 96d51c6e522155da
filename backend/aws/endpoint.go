package aws

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
)

// checkEndpoints reports an endpoint that is not the address of a server.
func (b *Backend) checkEndpoints(o Options) error {
	for s, endpoint := range map[*service]*string{
		b.onDB: b.db.Options().BaseEndpoint, b.onStreams: b.streams.Options().BaseEndpoint, b.onSQS: b.sqs.Options().BaseEndpoint,
	} {
		if err := checkProxy(b.pool.Proxy, endpoint); err != nil {
			return err
		}
		if endpoint == nil {
			continue
		}
		if err := checkEndpoint(*endpoint); err != nil {
			setting := origin(*endpoint, EndpointURLOption, o.EndpointURL, "endpoint_url of the profile", s.variable, "AWS_ENDPOINT_URL")
			return misconfigured(setting, "%w: it is http:// or https://, a host and perhaps a port, as in http://localhost:8000", err)
		}
	}
	return nil
}

// checkEndpoint does not quote an endpoint: there may be a password in it.
func checkEndpoint(endpoint string) error {
	u, err := url.Parse(endpoint)
	switch {
	case strings.ContainsFunc(endpoint, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }):
		return errors.New("there is a blank or a line break in it")
	case !strings.Contains(endpoint, "://"):
		return errors.New("it has no scheme")
	case err != nil:
		return errors.New("it is not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("its scheme is %.20q", u.Scheme)
	case u.Hostname() == "":
		return errors.New("it has no host")
	case u.User != nil:
		return errors.New("there is a user in it")
	case u.Path != "" && u.Path != "/", u.RawQuery != "", u.Fragment != "":
		return errors.New("there is more than a host in it")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return fmt.Errorf("its port is %.20q", port)
		}
	}
	return nil
}

// checkProxy reports a proxy of the environment that is not the address of a server. Like
// an endpoint it is not quoted; neither is the error of net/http, which quotes it.
func checkProxy(proxy func(*http.Request) (*url.URL, error), endpoint *string) error {
	to, err := url.Parse(cmp.Or(awssdk.ToString(endpoint), "https://amazonaws.com"))
	if err != nil || proxy == nil {
		return nil // the endpoint is at fault
	}
	setting := strings.ToUpper(to.Scheme) + "_PROXY"
	through, err := proxy(&http.Request{URL: to})
	switch {
	case err != nil:
		return misconfigured(setting, "the proxy is not a URL")
	case through == nil:
	case !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, through.Scheme):
		return misconfigured(setting, "the proxy's scheme is %.20q: it is http, https or socks5", through.Scheme)
	case through.Hostname() == "" || strings.ContainsFunc(through.Host, unicode.IsSpace):
		return misconfigured(setting, "the proxy has no host, or one with a blank")
	}
	return nil
}
