package metrics

import "github.com/prometheus/client_golang/prometheus"

// writerMetrics count what a Writer does.
type writerMetrics struct {
	samples    *prometheus.CounterVec
	rejected   *prometheus.CounterVec
	registered prometheus.Counter
}

func newWriterMetrics(reg prometheus.Registerer, known *knownSeries) writerMetrics {
	m := writerMetrics{
		samples:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "watchfire_metrics_samples_total", Help: "Samples stored, by type."}, []string{"type"}),
		rejected:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "watchfire_metrics_rejected_total", Help: "Samples and exemplars refused, by reason."}, []string{"reason"}),
		registered: prometheus.NewCounter(prometheus.CounterOpts{Name: "watchfire_metrics_series_registered_total", Help: "Rows written to register a series for the days of a month."}),
	}
	if reg != nil {
		reg.MustRegister(m.samples, m.rejected, m.registered, prometheus.NewGaugeFunc(
			prometheus.GaugeOpts{Name: "watchfire_metrics_known_series", Help: "Series that the writer knows to be registered."},
			func() float64 { return float64(known.len()) }))
	}
	return m
}
