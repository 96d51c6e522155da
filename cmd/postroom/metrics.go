package main

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/postroom/postroom/internal/metric"
)

// registry has the metrics of this process, and those of its daemons.
func registry(daemons ...prometheus.Collector) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	r.MustRegister(daemons...)
	return r
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
