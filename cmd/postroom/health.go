package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/postroom/postroom/internal/terminal"
)

// healthTimeout is less than what most runners of health checks wait.
const healthTimeout = 2 * time.Second

func newHealth(p process, g *global) *cobra.Command {
	var addr string
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask a running dev, project, consume or canary whether it is healthy",
		Long:  "Asks http://ADDR/healthz. It is the health check of an image that has no shell.",
		Args:  arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, port, err := net.SplitHostPort(addr); err != nil || port == "" {
				return usagef("--addr is %q, must be HOST:PORT or :PORT", addr)
			}
			text, err := askHealth(cmd.Context(), "http://"+reachable(addr)+"/healthz")
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(p.stdout, map[string]string{"health": text})
			}
			_, err = fmt.Fprintln(p.stdout, text)
			return err
		},
	}
	cmd.Flags().StringVar(&addr, addrFlag, defaultAddr, "address of its HTTP server")
	return cmd
}

// askHealth returns the answer of a healthy process.
func askHealth(ctx context.Context, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", &usageError{err}
	}
	// A transport of its own asks no proxy, and its connection ends with it.
	client := http.Client{Timeout: healthTimeout, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<10))
	text := terminal.Line(strings.TrimSpace(string(body)), textWidth)
	switch {
	case err != nil:
		return "", fmt.Errorf("%s: %w", url, err)
	case response.StatusCode != http.StatusOK:
		return "", fmt.Errorf("%s answers %s: %s", url, response.Status, text)
	}
	return text, nil
}
