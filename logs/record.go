package logs

import (
	"encoding/hex"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/watchfire/watchfire/telemetry"
)

// record is a line as queries see it.
type record struct {
	time     int64 // Unix nanoseconds
	line     string
	metadata labels.Labels
}

// metadata gathers the structured metadata of a line: what the map has, then
// what has columns of its own.
type metadata struct {
	b                  labels.ScratchBuilder
	level, trace, span bool // in the map already
}

func newMetadata(n int) *metadata { return &metadata{b: labels.NewScratchBuilder(n)} }

func (m *metadata) add(key, value string) {
	switch key {
	case levelKey:
		m.level = true
	case traceKey:
		m.trace = true
	case spanKey:
		m.span = true
	}
	m.b.Add(key, value)
}

// labels returns the metadata, sorted, and empties m.
func (m *metadata) labels(s telemetry.Severity, trace telemetry.TraceID, span telemetry.SpanID) labels.Labels {
	if !m.level {
		m.b.Add(levelKey, levelOf(s))
	}
	if !m.trace && !trace.IsZero() {
		m.b.Add(traceKey, hex.EncodeToString(trace[:]))
	}
	if !m.span && !span.IsZero() {
		m.b.Add(spanKey, hex.EncodeToString(span[:]))
	}
	m.b.Sort()
	ls := m.b.Labels()
	m.b.Reset()
	m.level, m.trace, m.span = false, false, false
	return ls
}
