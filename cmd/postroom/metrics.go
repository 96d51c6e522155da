package main

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/metric"
)

// registry has the metrics of this process, and those of its daemons.
func registry(daemons ...prometheus.Collector) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	r.MustRegister(daemons...)
	return r
}

// unitsCollector tells what the calls of the tables have cost.
func (a *app) unitsCollector() prometheus.Collector {
	return metric.Collector(a.meter.Units,
		metric.Counter("postroom_table_write_units_total", "Write units that this process has consumed, those of its control table included.",
			func(u backend.Units) float64 { return u.Write }),
		metric.Counter("postroom_table_read_units_total", "Read units that this process has consumed, those of its control table included.",
			func(u backend.Units) float64 { return u.Read }),
	)
}
