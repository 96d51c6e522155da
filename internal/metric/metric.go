// Package metric shows as Prometheus metrics what a daemon counts anyway: its
// numbers are read when they are asked for, and all at once, so that those of
// one answer belong together.
package metric

import "github.com/prometheus/client_golang/prometheus"

// Metric is one series of what an S says.
type Metric[S any] struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(S) float64
}

// Counter is what only grows. Its name ends in _total.
func Counter[S any, N int64 | float64](name, help string, value func(S) N) Metric[S] {
	return LabelledCounter(name, help, nil, value)
}

// LabelledCounter is one of several counters of one name and help, told apart by
// the values of their labels. These are a closed set.
func LabelledCounter[S any, N int64 | float64](name, help string, labels prometheus.Labels, value func(S) N) Metric[S] {
	return Metric[S]{
		desc:  prometheus.NewDesc(name, help, nil, labels),
		kind:  prometheus.CounterValue,
		value: func(s S) float64 { return float64(value(s)) },
	}
}

// Gauge is what grows and falls. Its name ends in the unit of the value.
func Gauge[S any](name, help string, value func(S) float64) Metric[S] {
	return LabelledGauge(name, help, nil, value)
}

// LabelledGauge is one of several gauges of one name and help, told apart by
// the values of their labels. These are a closed set.
func LabelledGauge[S any](name, help string, labels prometheus.Labels, value func(S) float64) Metric[S] {
	return Metric[S]{
		desc:  prometheus.NewDesc(name, help, nil, labels),
		kind:  prometheus.GaugeValue,
		value: value,
	}
}

// Collector collects the metrics of what read returns, which it calls once for
// each collection, at times concurrently.
func Collector[S any](read func() S, metrics ...Metric[S]) prometheus.Collector {
	return &collector[S]{read, metrics}
}

type collector[S any] struct {
	read    func() S
	metrics []Metric[S]
}

func (c *collector[S]) Describe(out chan<- *prometheus.Desc) {
	for _, m := range c.metrics {
		out <- m.desc
	}
}

func (c *collector[S]) Collect(out chan<- prometheus.Metric) {
	s := c.read()
	for _, m := range c.metrics {
		out <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(s))
	}
}
