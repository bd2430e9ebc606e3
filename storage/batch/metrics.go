package batch

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// register adds c to reg, or returns what is registered already: a table that
// is opened twice goes on counting. A nil reg registers nothing.
func register[T prometheus.Collector](reg prometheus.Registerer, c T) T {
	if reg == nil {
		return c
	}
	err := reg.Register(c)
	if err == nil {
		return c
	}
	var twice prometheus.AlreadyRegisteredError
	if errors.As(err, &twice) {
		if old, ok := twice.ExistingCollector.(T); ok {
			return old
		}
	}
	panic(err)
}

type metrics struct {
	rows, bytes    prometheus.Counter
	failedRows     *prometheus.CounterVec
	retries        prometheus.Counter
	blocked        prometheus.Counter
	pending        prometheus.Gauge
	seconds, batch prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer, table string) metrics {
	labels := prometheus.Labels{"table": table}
	counter := func(name, help string) prometheus.Counter {
		return register(reg, prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels}))
	}
	return metrics{
		rows:    counter("watchfire_storage_inserted_rows_total", "Rows stored durably, in ClickHouse or in the spool."),
		bytes:   counter("watchfire_storage_inserted_bytes_total", "Native-encoded bytes of the rows stored durably."),
		retries: counter("watchfire_storage_insert_retries_total", "Attempts to insert a batch again."),
		blocked: counter("watchfire_storage_batch_blocked_total", "Writes that had to wait because max_pending_bytes was reached."),
		failedRows: register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "watchfire_storage_failed_rows_total", ConstLabels: labels,
			Help: "Rows whose writers were told that they are not stored, by reason: permanent, unavailable, encode, panic.",
		}, []string{"reason"})),
		pending: register(reg, prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "watchfire_storage_pending_bytes", ConstLabels: labels,
			Help: "Bytes of rows gathered or being inserted.",
		})),
		seconds: register(reg, prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "watchfire_storage_insert_seconds", ConstLabels: labels,
			Help:    "Time from closing a batch to its end, retries included.",
			Buckets: prometheus.ExponentialBuckets(0.002, 2, 14),
		})),
		batch: register(reg, prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "watchfire_storage_batch_rows", ConstLabels: labels,
			Help:    "Rows of a batch.",
			Buckets: prometheus.ExponentialBuckets(1, 8, 8),
		})),
	}
}
