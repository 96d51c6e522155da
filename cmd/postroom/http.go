package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"
)

// Timeouts of the HTTP server: requests are small, and stopping is quick.
const (
	httpReadTimeout  = 5 * time.Second
	httpWriteTimeout = 10 * time.Second
	httpStopTimeout  = 500 * time.Millisecond
)

// httpOptions is the flag of commands that serve HTTP on request.
type httpOptions struct {
	addr string
}

func (o *httpOptions) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.addr, addrFlag, "", "address of an HTTP server for health and metrics, such as :8080 (default: none)")
}

// listen returns nil without an address.
func (o *httpOptions) listen(ctx context.Context) (net.Listener, error) {
	if o.addr == "" {
		return nil, nil
	}
	return listen(ctx, o.addr)
}

// httpServer serves health and metrics on a listener of httpOptions, which may be
// nil.
func httpServer(l net.Listener, ready readiness, metrics prometheus.Gatherer, log *slog.Logger) daemon {
	return func(ctx context.Context) error {
		if l == nil {
			return nil
		}
		log.Info("serving health", "addr", l.Addr().String())
		return serveHTTP(ctx, l, ready, metrics, log)
	}
}

// listen listens on the address before anything else happens.
func listen(ctx context.Context, addr string) (net.Listener, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w\nGive another address with --addr; with :0 the system picks a port", err)
	}
	return l, nil
}

// serveHTTP serves [httpMux] until ctx is done. It closes the listener.
func serveHTTP(ctx context.Context, l net.Listener, ready readiness, metrics prometheus.Gatherer, log *slog.Logger) error {
	server := &http.Server{
		Handler:           httpMux(ready, metrics, log),
		ReadHeaderTimeout: httpReadTimeout,
		ReadTimeout:       httpReadTimeout,
		WriteTimeout:      httpWriteTimeout,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	select {
	case err := <-served:
		return fmt.Errorf("HTTP server: %w", err)
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), httpStopTimeout)
	defer cancel()
	err := server.Shutdown(stopping)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	if e := <-served; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	return err
}

// httpMux answers /healthz, /metrics, and /readyz: with 503 and the reason while
// the command is not ready.
func httpMux(ready readiness, metrics prometheus.Gatherer, log *slog.Logger) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if why := ready(); why != "" {
			answer(w, http.StatusServiceUnavailable, why)
			return
		}
		answer(w, http.StatusOK, "ready")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}))
	return mux
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, text) // the client may be gone
}

// reachable returns the address at which this machine reaches a listener.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("localhost", port)
	}
	return addr
}
