package batch

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type spoolMetrics struct {
	bytes, blocks, oldest                        *prometheus.GaugeVec
	spooled, drained, corrupt, rejected, refused prometheus.Counter
}

func newSpoolMetrics(reg prometheus.Registerer) spoolMetrics {
	gauge := func(name, help string) *prometheus.GaugeVec {
		return register(reg, prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, []string{"table"}))
	}
	counter := func(name, help string) prometheus.Counter {
		return register(reg, prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help}))
	}
	return spoolMetrics{
		bytes:    gauge("watchfire_storage_spool_bytes", "Bytes that wait on disk for ClickHouse."),
		blocks:   gauge("watchfire_storage_spool_blocks", "Blocks that wait on disk for ClickHouse."),
		oldest:   gauge("watchfire_storage_spool_oldest_timestamp_seconds", "When the oldest waiting block was spooled, Unix time; 0 if none waits."),
		spooled:  counter("watchfire_storage_spooled_blocks_total", "Blocks acknowledged from disk."),
		drained:  counter("watchfire_storage_spool_drained_blocks_total", "Blocks brought from disk to ClickHouse."),
		corrupt:  counter("watchfire_storage_spool_corrupt_blocks_total", "Acknowledged blocks that could not be read back; their segments are kept in the spool's corrupt folder."),
		rejected: counter("watchfire_storage_spool_rejected_blocks_total", "Acknowledged blocks that ClickHouse refused for good; their segments are kept in the spool's rejected folder."),
		refused:  counter("watchfire_storage_spool_refused_blocks_total", "Blocks not taken because the spool or its disk was full or failed."),
	}
}

func (m spoolMetrics) observe(table string, q *queue) {
	q.mu.Lock()
	blocks, bytes := q.blocks, q.bytes
	q.mu.Unlock()
	m.blocks.WithLabelValues(table).Set(float64(blocks))
	m.bytes.WithLabelValues(table).Set(float64(bytes))
}

func (m spoolMetrics) observeOldest(table string, t time.Time) {
	seconds := 0.0
	if !t.IsZero() {
		seconds = float64(t.UnixMilli()) / 1000
	}
	m.oldest.WithLabelValues(table).Set(seconds)
}
