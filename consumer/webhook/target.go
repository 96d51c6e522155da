package webhook

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// errURL quotes nothing, since any part of the text may be a secret.
var errURL = errors.New("webhook: the URL is not of the form https://host[:port]/path")

// parseTarget parses the receiver's URL.
func parseTarget(text string, allowPrivate bool) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.Fragment != "" {
		return nil, errURL
	}
	plain := u.Scheme == "http"
	switch {
	case !plain && u.Scheme != "https":
		return nil, errURL
	case u.User != nil:
		return nil, errors.New("webhook: the URL has user information; leave it out, the signature authenticates the sender")
	case plain && !allowPrivate:
		return nil, errors.New("webhook: the URL is plain http, which others can read; " +
			"use https, or allow private addresses if the receiver has one")
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil { // names are checked when they are dialled
		if err := permit(a, allowPrivate, plain); err != nil {
			return nil, fmt.Errorf("webhook: %w", err)
		}
	}
	return u, nil
}

// origin returns the only part of a URL that is ever shown: receivers put secrets in
// the query and in the path.
func origin(u *url.URL) string { return u.Scheme + "://" + u.Host }

// sameOrigin compares scheme, host and port.
func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(address(a), address(b))
}

func address(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}
