package server

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// durationBuckets are in seconds.
var durationBuckets = []float64{.005, .025, .1, .5, 1, 2.5, 10, 30, 120}

// muxMetrics count requests. Their labels are bounded: route is a registered
// pattern or "unknown", code a status.
type muxMetrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	received *prometheus.CounterVec
	sent     *prometheus.CounterVec
	inFlight prometheus.Gauge
	panics   prometheus.Counter
}

func newMuxMetrics(reg prometheus.Registerer) *muxMetrics {
	return &muxMetrics{
		requests: register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{Name: "watchfire_server_requests_total", Help: "HTTP requests by route and status code."}, []string{"route", "code"})),
		duration: register(reg, prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "watchfire_server_request_duration_seconds", Help: "Time from the request's header to the end of its answer.", Buckets: durationBuckets, NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100, NativeHistogramMinResetDuration: time.Hour}, []string{"route"})),
		received: register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{Name: "watchfire_server_received_bytes_total", Help: "Bytes of request bodies as sent, compressed or not."}, []string{"route"})),
		sent:     register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{Name: "watchfire_server_sent_bytes_total", Help: "Bytes of answers before compression."}, []string{"route"})),
		inFlight: register(reg, prometheus.NewGauge(prometheus.GaugeOpts{Name: "watchfire_server_requests_in_flight", Help: "HTTP requests being served."})),
		panics:   register(reg, prometheus.NewCounter(prometheus.CounterOpts{Name: "watchfire_server_panics_total", Help: "Requests that panicked: each is a bug."})),
	}
}

// register adds c to reg; of several muxes on one registerer all use the first
// one's collectors. A nil reg keeps c to itself.
func register[C prometheus.Collector](reg prometheus.Registerer, c C) C {
	if reg == nil {
		return c
	}
	err := reg.Register(c)
	var already prometheus.AlreadyRegisteredError
	if errors.As(err, &already) {
		if old, ok := already.ExistingCollector.(C); ok {
			return old
		}
	}
	if err != nil {
		panic(err) // two collectors of one name and different labels: a bug
	}
	return c
}

func (m *muxMetrics) observe(route string, w *responseWriter, received int64, took time.Duration) {
	status := w.status
	if status == 0 {
		status = http.StatusOK // a handler that writes nothing answers 200
	}
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	m.duration.WithLabelValues(route).Observe(took.Seconds())
	m.received.WithLabelValues(route).Add(float64(received))
	m.sent.WithLabelValues(route).Add(float64(w.bytes))
}

func (m *Mux) logRequest(rt *route, r *http.Request, req *request, received int64, took time.Duration) {
	level, message := slog.LevelDebug, "request"
	if rt.slow > 0 && took > rt.slow && !req.writer.hijacked {
		level, message = slog.LevelWarn, "slow request"
	}
	if !m.log.Enabled(r.Context(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("id", req.id), slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.String("route", rt.pattern),
		slog.String("client", r.RemoteAddr), slog.String("caller", req.caller.Name), slog.String("tenant", req.tenant), slog.Int("status", req.writer.status), slog.Int64("received", received), slog.Int64("sent", req.writer.bytes), slog.Duration("took", took),
	}
	if level == slog.LevelWarn && r.URL.RawQuery != "" {
		attrs = append(attrs, slog.String("query", clip(r.URL.RawQuery, 1000)))
	}
	if req.err != nil {
		attrs = append(attrs, slog.Any("error", req.err))
	}
	m.log.LogAttrs(r.Context(), level, message, attrs...)
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}

// bodyCounter counts what was read of a request's body.
type bodyCounter struct {
	io.ReadCloser
	n int64
}

func (b *bodyCounter) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n += int64(n)
	return n, err
}

// countBody puts a limit and a counter around r's body.
func countBody(w http.ResponseWriter, r *http.Request, limit int64) *bodyCounter {
	if r.Body == nil || r.Body == http.NoBody {
		return &bodyCounter{}
	}
	if limit > 0 {
		r.Body = http.MaxBytesReader(w, r.Body, limit)
	}
	b := &bodyCounter{ReadCloser: r.Body}
	r.Body = b
	return b
}
