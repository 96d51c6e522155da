// Package metric shows as Prometheus metrics what a daemon counts anyway.
package metric

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Struct collects the metrics that the fields of S name in their tags. It calls
// read once for each collection, at times concurrently, so that the numbers of one
// answer belong together.
//
//	type Stats struct {
//		Reads   int64            `metric:"app_reads_total" help:"Reads of records."`
//		Lag     time.Duration    `metric:"app_lag_seconds" help:"Age of the oldest record."`
//		Results map[string]int64 `metric:"app_results_total" label:"result" help:"Calls by result."`
//	}
//
// A metric whose name ends in _total is a counter, any other a gauge. A field is an
// integer, a float, a bool (0 or 1), a duration (in seconds), a [Histogram], or a map
// of numbers, whose keys are the values of one label and must be a closed set. A field
// without the tag is left out, unless it is a struct: then its fields are looked at.
// Struct panics where a tag is incomplete, or on a field of another type.
func Struct[S any](read func() S) prometheus.Collector {
	return &structCollector{
		fields: fieldsOf(reflect.TypeFor[S](), nil),
		read:   func() reflect.Value { return reflect.ValueOf(read()) },
	}
}

type structCollector struct {
	fields []field
	read   func() reflect.Value
}

// field is one field of a struct, or of one within it.
type field struct {
	index []int
	desc  *prometheus.Desc
	kind  prometheus.ValueType
}

func fieldsOf(t reflect.Type, within []int) (all []field) {
	for i := range t.NumField() {
		f := t.Field(i)
		index := append(append([]int(nil), within...), i)
		name, help, label := f.Tag.Get("metric"), f.Tag.Get("help"), f.Tag.Get("label")
		if name == "" {
			if f.Type.Kind() == reflect.Struct {
				all = append(all, fieldsOf(f.Type, index)...)
			}
			continue
		}
		value := f.Type
		var labels []string
		if f.Type.Kind() == reflect.Map {
			value, labels = f.Type.Elem(), []string{label}
		}
		if !collectable(value, labels) || help == "" || (label == "") != (labels == nil) {
			panic(fmt.Sprintf("metric: field %v.%s of type %v with the tag %q cannot be collected", t, f.Name, f.Type, f.Tag))
		}
		kind := prometheus.GaugeValue
		if strings.HasSuffix(name, "_total") {
			kind = prometheus.CounterValue
		}
		all = append(all, field{index, prometheus.NewDesc(name, help, labels, nil), kind})
	}
	return all
}

// collectable reports whether a field of a type can be collected.
func collectable(t reflect.Type, labels []string) bool {
	if t == reflect.TypeFor[Histogram]() {
		return labels == nil
	}
	v := reflect.Zero(t)
	return v.CanInt() || v.CanFloat() || v.Kind() == reflect.Bool
}

func number(v reflect.Value) float64 {
	switch {
	case v.Type() == reflect.TypeFor[time.Duration]():
		return time.Duration(v.Int()).Seconds()
	case v.CanInt():
		return float64(v.Int())
	case v.CanFloat():
		return v.Float()
	case v.Bool():
		return 1
	}
	return 0
}

// Describe implements prometheus.Collector.
func (c *structCollector) Describe(out chan<- *prometheus.Desc) {
	for _, f := range c.fields {
		out <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (c *structCollector) Collect(out chan<- prometheus.Metric) {
	s := c.read()
	for _, f := range c.fields {
		v := s.FieldByIndex(f.index)
		if h, ok := reflect.TypeAssert[Histogram](v); ok {
			out <- prometheus.MustNewConstHistogram(f.desc, h.Count, h.Sum.Seconds(), h.Buckets)
			continue
		}
		if v.Kind() != reflect.Map {
			out <- prometheus.MustNewConstMetric(f.desc, f.kind, number(v))
			continue
		}
		for key, of := range v.Seq2() {
			out <- prometheus.MustNewConstMetric(f.desc, f.kind, number(of), fmt.Sprint(key.Interface()))
		}
	}
}
