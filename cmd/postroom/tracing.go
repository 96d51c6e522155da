package main

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// flushTimeout bounds the time that the last spans take at the end.
const flushTimeout = 5 * time.Second

// tracesEndpoint returns where spans go, as OpenTelemetry's variables say; "": nowhere.
// Source: OpenTelemetry specification, OTLP exporter, and general SDK configuration.
func tracesEndpoint(getenv func(string) string) (string, error) {
	exporter := getenv("OTEL_TRACES_EXPORTER")
	switch {
	case strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true"), exporter == "none":
		return "", nil
	case exporter != "" && exporter != "otlp":
		return "", usagef("OTEL_TRACES_EXPORTER is %q, must be otlp or none", exporter)
	}
	url := getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
	if base := getenv("OTEL_EXPORTER_OTLP_ENDPOINT"); url == "" && base != "" {
		url = strings.TrimSuffix(base, "/") + "/v1/traces"
	}
	if url == "" && exporter == "" {
		return "", nil
	}
	protocol := cmp.Or(getenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"), getenv("OTEL_EXPORTER_OTLP_PROTOCOL"), "http/protobuf")
	if protocol != "http/protobuf" {
		return "", usagef("OTEL_EXPORTER_OTLP_PROTOCOL is %q, must be http/protobuf: send to port 4318 of the collector", protocol)
	}
	return cmp.Or(url, "http://localhost:4318/v1/traces"), nil
}

// startTracing exports spans where OpenTelemetry's variables ask for it, and returns what
// ends that. Everything else about it, as the headers, certificates and sampling, the
// SDK reads from its variables itself.
func (a *app) startTracing(ctx context.Context) (stop func(), err error) {
	stop = func() {}
	url, err := tracesEndpoint(a.getenv)
	if url == "" || err != nil {
		return stop, err
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(url))
	if err != nil {
		return stop, err
	}
	about, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", "postroom")), resource.WithFromEnv())
	if err != nil {
		return stop, errors.Join(err, exporter.Shutdown(ctx))
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { a.log.Warn("spans could not be exported", "error", err) }))
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))
	a.tracing = provider
	return func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
		defer cancel()
		if err := provider.Shutdown(ctx); err != nil {
			a.log.Warn("the last spans could not be exported", "error", err)
		}
	}, nil
}
