package server

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"
)

// grpcMetrics count calls; method is bounded by what is registered, for gRPC
// answers unknown methods before any interceptor.
type grpcMetrics struct {
	calls    *prometheus.CounterVec
	duration *prometheus.HistogramVec
	inFlight prometheus.Gauge
	panics   prometheus.Counter
}

func newGRPCMetrics(reg prometheus.Registerer) *grpcMetrics {
	return &grpcMetrics{
		calls:    register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{Name: "watchfire_server_grpc_calls_total", Help: "gRPC calls by method and status code."}, []string{"method", "code"})),
		duration: register(reg, prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "watchfire_server_grpc_call_duration_seconds", Help: "Time from a gRPC call's message to its answer.", Buckets: durationBuckets}, []string{"method"})),
		inFlight: register(reg, prometheus.NewGauge(prometheus.GaugeOpts{Name: "watchfire_server_grpc_calls_in_flight", Help: "gRPC calls being served."})),
		panics:   register(reg, prometheus.NewCounter(prometheus.CounterOpts{Name: "watchfire_server_grpc_panics_total", Help: "gRPC calls that panicked: each is a bug."})),
	}
}

func (m *grpcMetrics) observe(method string, code codes.Code, took time.Duration) {
	m.calls.WithLabelValues(method, code.String()).Inc()
	m.duration.WithLabelValues(method).Observe(took.Seconds())
}
