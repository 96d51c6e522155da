package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
)

// Bounds of the HTTP server: what is asked is small, and stopping is quick.
const (
	httpReadTimeout  = 5 * time.Second
	httpWriteTimeout = 10 * time.Second
	httpStopTimeout  = 500 * time.Millisecond
)

// httpOptions is the flag of commands that serve HTTP if they are asked to.
type httpOptions struct {
	addr string
}

func (o *httpOptions) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.addr, addrFlag, "", "address of an HTTP server that tells of health, such as :8080 (default: none)")
}

// listen is nil without an address.
func (o *httpOptions) listen(ctx context.Context) (net.Listener, error) {
	if o.addr == "" {
		return nil, nil
	}
	return listen(ctx, o.addr)
}

// healthServer serves health on what httpOptions listens on, which may be nil.
// It is ready from the first time on that ready says so.
func healthServer(l net.Listener, ready func() bool, log *slog.Logger) daemon {
	return func(ctx context.Context) error {
		if l == nil {
			return nil
		}
		log.Info("serving health", "addr", l.Addr().String())
		var was atomic.Bool
		return serveHealth(ctx, l, func() bool {
			if !was.Load() && ready() {
				was.Store(true)
			}
			return was.Load()
		}, log)
	}
}

// listen takes the address before anything else happens.
func listen(ctx context.Context, addr string) (net.Listener, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w\nGive another address with --addr; with :0 the system picks a port", err)
	}
	return l, nil
}

// serveHealth answers /healthz, and /readyz with 503 until ready, until ctx is
// done. It closes the listener.
func serveHealth(ctx context.Context, l net.Listener, ready func() bool, log *slog.Logger) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !ready() {
			answer(w, http.StatusServiceUnavailable, "starting")
			return
		}
		answer(w, http.StatusOK, "ready")
	})
	server := &http.Server{
		Handler:           mux,
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

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, text) // the client may be gone
}

// reachable is an address to listen on as this machine reaches it.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("localhost", port)
	}
	return addr
}
