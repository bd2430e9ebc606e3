package collector

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/watchfire/watchfire/telemetry"
)

// Metrics counts what senders sent. One serves all protocols.
type Metrics struct {
	records  *prometheus.CounterVec
	rejected *prometheus.CounterVec
	failed   *prometheus.CounterVec
	dropped  *prometheus.CounterVec
}

// NewMetrics registers the counters with reg; nil keeps them to themselves.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		records: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "watchfire_collector_records_total",
			Help: "Samples, log lines and spans that were decoded, by protocol and signal.",
		}, []string{"protocol", "signal"}),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "watchfire_collector_rejected_records_total",
			Help: "Records that were refused for good, by the reason told to the sender.",
		}, []string{"protocol", "signal", "reason"}),
		failed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "watchfire_collector_failed_pushes_total",
			Help: "Pushes that were not stored and that the sender was asked to repeat.",
		}, []string{"protocol", "signal"}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "watchfire_collector_dropped_records_total",
			Help: "Records lost because their sender cannot repeat them and they could not be stored.",
		}, []string{"protocol", "signal"}),
	}
	if reg != nil {
		reg.MustRegister(m.records, m.rejected, m.failed, m.dropped)
	}
	return m
}

// Count notes a push of n decoded records and what became of it.
func (m *Metrics) Count(protocol, signal string, n int, o telemetry.Outcome, err error) {
	m.records.WithLabelValues(protocol, signal).Add(float64(n))
	for _, r := range o.Rejected {
		m.rejected.WithLabelValues(protocol, signal, r.Reason).Add(float64(r.Count))
	}
	if err != nil {
		m.failed.WithLabelValues(protocol, signal).Inc()
	}
}

// Drop notes n records that are lost.
func (m *Metrics) Drop(protocol, signal string, n int) {
	m.dropped.WithLabelValues(protocol, signal).Add(float64(n))
}
