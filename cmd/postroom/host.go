package main

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// checkHost refuses requests that reached this machine itself under the name of
// another one. A web page can have its own name resolved to a loopback address and
// then have a browser on this machine ask for it; its name is in the Host header. An
// address is not a name that could be resolved, and what arrives at another address of
// this machine was not sent from here: there, names are up to whoever runs the network.
// Besides localhost, the host of the address to listen on is allowed, and the name of
// this machine.
func checkHost(next http.Handler, addr, hostname string) http.Handler {
	own, _, _ := net.SplitHostPort(addr) // "": any
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if arrivedAtLoopback(r) && !ofThisMachine(r.Host, own, hostname) {
			answer(w, http.StatusMisdirectedRequest, "the Host header names another machine: ask for localhost, an address, or the host of --addr")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func arrivedAtLoopback(r *http.Request) bool {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && addr.IP.IsLoopback()
}

// ofThisMachine reports whether a Host header is empty, an address, or a name of this
// machine.
func ofThisMachine(host string, names ...string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	return host == "" || host == "localhost" || strings.HasSuffix(host, ".localhost") ||
		slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, host) })
}
