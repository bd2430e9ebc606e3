package load

import (
	"fmt"
	"math/rand/v2"

	"github.com/prometheus/prometheus/prompb"
)

// HistogramMetric is the only metric that Histograms makes.
const HistogramMetric = "http_request_duration_seconds_bucket"

// Histograms makes the classic latency histograms of services: buckets that
// are cumulative, handlers of unequal load, and instances that restart now and
// then, which resets their counters.
type Histograms struct {
	rng    *rand.Rand
	groups []histogramGroup
}

type histogramGroup struct {
	labels [][]prompb.Label // one series a bucket
	load   float64          // requests a step
	slow   float64          // how far the latencies lean to the right, 0 to 1
	counts []float64        // cumulative
}

var (
	bounds   = []string{"0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "+Inf"}
	handlers = []string{"/", "/api/carts", "/api/catalog", "/api/login", "/api/orders", "/api/payments", "/api/search", "/api/stock", "/api/users", "/metrics"}
)

// NewHistograms makes at least n series of job.
func NewHistograms(seed uint64, job string, n int) *Histograms {
	h := &Histograms{rng: rand.New(rand.NewPCG(seed, 4))}
	for instance := 0; len(h.groups)*len(bounds) < n; instance++ {
		for _, handler := range handlers {
			g := histogramGroup{counts: make([]float64, len(bounds)), load: 1 + h.rng.ExpFloat64()*200, slow: h.rng.Float64()}
			for _, le := range bounds {
				g.labels = append(g.labels, []prompb.Label{
					{Name: "__name__", Value: HistogramMetric}, {Name: "handler", Value: handler},
					{Name: "instance", Value: fmt.Sprintf("web-%05d.example:8080", instance)},
					{Name: "job", Value: job}, {Name: "le", Value: le},
				})
			}
			h.groups = append(h.groups, g)
		}
	}
	return h
}

// Len is the number of series.
func (h *Histograms) Len() int { return len(h.groups) * len(bounds) }

// Steps is as that of Metrics.
func (h *Histograms) Steps(times []int64, size int, send func(body []byte, samples int) error) error {
	e := encoder{size: size, send: send}
	values := make([][]float64, len(bounds))
	for i := range h.groups {
		g := &h.groups[i]
		for b := range values {
			values[b] = values[b][:0]
		}
		for range times {
			h.advance(g)
			for b, v := range g.counts {
				values[b] = append(values[b], v)
			}
		}
		for b, labels := range g.labels {
			next := 0
			if err := e.add(labels, times, func() float64 { next++; return values[b][next-1] }); err != nil {
				return err
			}
		}
	}
	return e.flush()
}

// advance spreads a step's requests over the buckets.
func (h *Histograms) advance(g *histogramGroup) {
	if h.rng.IntN(20_000) == 0 {
		clear(g.counts)
	}
	below := 0.0
	for b := range g.counts {
		// A triangle whose peak lies the more to the right the slower.
		peak := 1 + g.slow*float64(len(bounds)-3)
		weight := max(0, 1-abs(float64(b)-peak)/4) / 4
		below += float64(int(g.load*weight + h.rng.Float64()))
		g.counts[b] += below
	}
}

func abs(v float64) float64 {
	if v < 0 {
		return -v
	}
	return v
}
