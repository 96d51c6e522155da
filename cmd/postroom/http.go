package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"

	"github.com/postroom/postroom/internal/metric"
)

// Timeouts of the HTTP server: requests are small, and stopping is quick.
const (
	httpReadTimeout  = 5 * time.Second
	httpWriteTimeout = 10 * time.Second
	httpStopTimeout  = 500 * time.Millisecond
)

// serverFlag adds the flag for the address of an HTTP server that runs on request.
func serverFlag(cmd *cobra.Command, addr *string) {
	cmd.Flags().StringVar(addr, addrFlag, "", "address of an HTTP server for health and metrics, such as :8080 (default: none)")
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

// server serves health and metrics on the listener, if there is one, and asks for the
// depth of the queues meanwhile. It closes the listener.
func (a *app) server(ready readiness, daemons ...prometheus.Collector) daemon {
	depth := a.newDepthGauge()
	serve := a.httpServer(ready, append(daemons, depth.collector())...)
	return func(ctx context.Context) error {
		if a.listener == nil {
			return nil
		}
		return runUntil(ctx, nil, serve, depth.run)
	}
}

// httpServer serves health and metrics on the listener, if there is one. It closes
// the listener.
func (a *app) httpServer(ready readiness, daemons ...prometheus.Collector) daemon {
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	metrics.MustRegister(daemons...)
	hostname, _ := os.Hostname() // "": only its addresses are known
	server := &http.Server{
		Handler:      checkHost(httpMux(ready, metrics, a.log), a.addr, hostname),
		ReadTimeout:  httpReadTimeout, // of headers and body, and of an idle connection
		WriteTimeout: httpWriteTimeout,
		ErrorLog:     slog.NewLogLogger(a.log.Handler(), slog.LevelWarn),
	}
	return func(ctx context.Context) error {
		if a.listener == nil {
			return nil
		}
		a.log.Info("serving health", "addr", a.listener.Addr().String())
		return serve(ctx, server, a.listener)
	}
}

// serve serves until ctx is done.
func serve(ctx context.Context, server *http.Server, l net.Listener) error {
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

// units is what the calls of the tables have cost.
type units struct {
	Write float64 `metric:"postroom_table_write_units_total" help:"Write units that this process has consumed, those of its control table included."`
	Read  float64 `metric:"postroom_table_read_units_total" help:"Read units that this process has consumed, those of its control table included."`
}

func (a *app) unitsCollector() prometheus.Collector {
	return metric.Struct(func() units {
		u := a.meter.Units()
		return units{Write: u.Write, Read: u.Read}
	})
}
