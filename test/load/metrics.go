// Package load makes telemetry that looks like a platform's, the same for the
// same seed: metrics of hosts, log lines of services, traces of calls.
package load

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/prometheus/prometheus/prompb"
)

// Metrics makes the samples of a fleet of hosts, each with the same families
// of counters and gauges, as node_exporter and services have them.
type Metrics struct {
	series []metricSeries
	values []float64
	rng    *rand.Rand
}

type metricSeries struct {
	labels  []prompb.Label
	counter bool
	rate    float64
}

// family is a metric with how many series of it a host has.
type family struct {
	name    string
	label   string
	count   int
	counter bool
	rate    float64 // of a counter per step, or size of a gauge
}

var families = []family{
	{"node_cpu_seconds_total", "cpu", 64, true, 3},
	{"node_disk_io_time_seconds_total", "device", 8, true, 0.4},
	{"node_network_receive_bytes_total", "device", 8, true, 90000},
	{"node_filesystem_avail_bytes", "mountpoint", 12, false, 1e11},
	{"node_memory_bytes", "kind", 48, false, 1e9},
	{"node_load1", "", 1, false, 2},
	{"http_requests_total", "handler", 40, true, 20},
	{"http_request_duration_seconds_bucket", "le", 60, true, 12},
	{"process_resident_memory_bytes", "process", 9, false, 2e8},
}

// Hosts is how many hosts NewMetrics makes for n series; each has one series
// of node_load1.
func Hosts(n int) int {
	each := 0
	for _, f := range families {
		each += f.count
	}
	return (n + each - 1) / each
}

// NewMetrics makes at least n series.
func NewMetrics(seed uint64, n int) *Metrics {
	m := &Metrics{rng: rand.New(rand.NewPCG(seed, 1))}
	for host := 0; len(m.series) < n; host++ {
		instance := fmt.Sprintf("host-%05d.example:9100", host)
		for _, f := range families {
			for i := range f.count {
				ls := []prompb.Label{{Name: "__name__", Value: f.name}}
				add := func(name, value string) { ls = append(ls, prompb.Label{Name: name, Value: value}) }
				if f.label != "" && f.label < "instance" {
					add(f.label, labelValue(f, i))
				}
				add("instance", instance)
				add("job", "node")
				if f.label > "job" {
					add(f.label, labelValue(f, i))
				}
				m.series = append(m.series, metricSeries{labels: ls, counter: f.counter, rate: f.rate})
				m.values = append(m.values, math.Floor(m.rng.Float64()*f.rate*1000))
			}
		}
	}
	return m
}

func labelValue(f family, i int) string {
	if f.label == "le" {
		return fmt.Sprintf("%g", math.Pow(1.3, float64(i-30)))
	}
	return fmt.Sprintf("%s-%02d", f.label, i)
}

// Len is the number of series.
func (m *Metrics) Len() int { return len(m.series) }

// Step is Steps for one time.
func (m *Metrics) Step(t int64, size int, send func(body []byte, samples int) error) error {
	return m.Steps([]int64{t}, size, send)
}

// Steps moves every series on, once for each of times (Unix milliseconds), and
// hands out remote-write 1.0 bodies, snappy compressed, of at most size samples
// unless times are more. A body is valid until the next.
func (m *Metrics) Steps(times []int64, size int, send func(body []byte, samples int) error) error {
	e := encoder{size: size, send: send}
	for i := range m.series {
		next := func() float64 { m.advance(i); return m.values[i] }
		if err := e.add(m.series[i].labels, times, next); err != nil {
			return err
		}
	}
	return e.flush()
}

// advance moves one value: counters by whole steps or not at all, gauges by a
// walk that often stands still, as real ones do.
func (m *Metrics) advance(i int) {
	s := &m.series[i]
	switch r := m.rng.Float64(); {
	case s.counter && r < 0.6:
		m.values[i] += math.Floor(m.rng.ExpFloat64()*s.rate*100) / 100
	case !s.counter && r < 0.4:
		m.values[i] = math.Max(0, m.values[i]+math.Floor((m.rng.Float64()-0.5)*s.rate/10))
	}
}
