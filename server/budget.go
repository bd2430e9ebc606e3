package server

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// BodyMemory bounds the bytes of all bodies in hand together, so that many
// large requests at once cannot take more memory than one limit says. Several
// Muxes share one.
type BodyMemory struct {
	max     int64
	used    atomic.Int64
	refused prometheus.Counter
}

// NewBodyMemory allows max bytes, 0 = unlimited.
func NewBodyMemory(max int64, reg prometheus.Registerer) *BodyMemory {
	m := &BodyMemory{max: max}
	m.refused = register(reg, prometheus.NewCounter(prometheus.CounterOpts{Name: "watchfire_server_body_memory_refused_total", Help: "Requests refused because all bodies in hand reached server.max_inflight_bytes."}))
	register(reg, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "watchfire_server_body_memory_bytes", Help: "Bytes of unpacked request bodies in hand."}, func() float64 { return float64(m.used.Load()) }))
	return m
}

// hold is one request's share; the zero value is unbounded.
type hold struct {
	memory *BodyMemory
	bytes  int64
}

// add takes n more bytes, or says that the client has to come again. A request
// that is alone is never refused: it could not come again either.
func (h *hold) add(n int64) error {
	m := h.memory
	if m == nil || m.max <= 0 {
		return nil
	}
	if used := m.used.Add(n); used > m.max && h.bytes+n < used {
		m.used.Add(-n)
		m.refused.Inc()
		return Unavailable(time.Second, "the server holds as many request bodies as it may (server.max_inflight_bytes is %d): send it again", m.max)
	}
	h.bytes += n
	return nil
}

// release gives all back.
func (h *hold) release() {
	if h.memory != nil {
		h.memory.used.Add(-h.bytes)
		h.bytes = 0
	}
}
