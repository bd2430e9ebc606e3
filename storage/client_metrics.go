package storage

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// clientMetrics count what a Client does.
type clientMetrics struct {
	requests   *prometheus.HistogramVec // by kind
	errors     *prometheus.CounterVec   // by kind and code
	insertRows prometheus.Counter
	insertSize prometheus.Counter
	readRows   prometheus.Counter
	readSize   prometheus.Counter
}

func newClientMetrics(reg prometheus.Registerer) *clientMetrics {
	m := &clientMetrics{
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "watchfire_storage_request_seconds", Help: "Time of requests to ClickHouse, by kind: exec, query, select, insert.",
			Buckets: []float64{.001, .005, .025, .1, .5, 2, 10, 60},
		}, []string{"kind"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "watchfire_storage_errors_total", Help: "Requests to ClickHouse that failed, by kind and ClickHouse error code; unavailable, canceled and other have no code.",
		}, []string{"kind", "code"}),
		insertRows: prometheus.NewCounter(prometheus.CounterOpts{Name: "watchfire_storage_insert_rows_total", Help: "Rows inserted into ClickHouse."}),
		insertSize: prometheus.NewCounter(prometheus.CounterOpts{Name: "watchfire_storage_insert_bytes_total", Help: "Uncompressed bytes inserted into ClickHouse."}),
		readRows:   prometheus.NewCounter(prometheus.CounterOpts{Name: "watchfire_storage_select_rows_total", Help: "Rows that ClickHouse read for selects."}),
		readSize:   prometheus.NewCounter(prometheus.CounterOpts{Name: "watchfire_storage_select_bytes_total", Help: "Uncompressed bytes that ClickHouse read for selects."}),
	}
	if reg != nil {
		reg.MustRegister(m.requests, m.errors, m.insertRows, m.insertSize, m.readRows, m.readSize)
	}
	return m
}

// begin times a request of a kind; the function it returns ends it.
func (m *clientMetrics) begin(kind string) func(error) {
	start := time.Now()
	return func(err error) {
		m.requests.WithLabelValues(kind).Observe(time.Since(start).Seconds())
		if err != nil {
			m.errors.WithLabelValues(kind, errorCode(err)).Inc()
		}
	}
}

func errorCode(err error) string {
	var e *Error
	switch {
	case errors.As(err, &e):
		return strconv.Itoa(e.Code)
	case errors.Is(err, ErrUnavailable):
		return "unavailable"
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "canceled"
	}
	return "other"
}
