package eval

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	evaluations *prometheus.CounterVec
	missed      prometheus.Counter
	late        prometheus.Counter
	conflicts   prometheus.Counter
	saveErrors  prometheus.Counter
	writeErrors prometheus.Counter
	rejected    prometheus.Counter
	notifyError prometheus.Counter
	seconds     prometheus.Histogram
	behind      prometheus.Gauge
	leader      prometheus.Gauge
	transitions *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	c := func(name, help string) prometheus.Counter {
		return f.NewCounter(prometheus.CounterOpts{Name: "watchfire_alerting_" + name, Help: help})
	}
	g := func(name, help string) prometheus.Gauge {
		return f.NewGauge(prometheus.GaugeOpts{Name: "watchfire_alerting_" + name, Help: help})
	}
	return &metrics{
		evaluations: f.NewCounterVec(prometheus.CounterOpts{
			Name: "watchfire_alerting_evaluations_total", Help: "Evaluations of rules, by outcome."}, []string{"outcome"}),
		missed:      c("slots_missed_total", "Moments at which a group should have been evaluated and was not."),
		late:        c("slots_late_total", "Evaluations made before all data of their moment had come."),
		conflicts:   c("state_conflicts_total", "Evaluations thrown away because another replica had made them."),
		saveErrors:  c("state_save_errors_total", "States of groups that could not be saved."),
		writeErrors: c("write_errors_total", "Writes of rules' series that failed."),
		rejected:    c("samples_rejected_total", "Samples of rules that storage refused."),
		notifyError: c("notify_errors_total", "Notifications that could not be handed on; they are tried again."),
		seconds: f.NewHistogram(prometheus.HistogramOpts{
			Name: "watchfire_alerting_group_seconds", Help: "Time to evaluate a group.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 9)}),
		behind: g("behind_seconds", "How long after its moment the last group was done."),
		leader: g("leader", "1 while this process evaluates."),
		transitions: f.NewCounterVec(prometheus.CounterOpts{
			Name: "watchfire_alerting_transitions_total", Help: "Transitions of alerts since the start, by phase that was entered."}, []string{"phase"}),
	}
}
