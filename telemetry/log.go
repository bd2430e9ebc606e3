package telemetry

import "github.com/prometheus/prometheus/model/labels"

// TraceID and SpanID are W3C Trace Context ids; all zero means none.
type (
	TraceID [16]byte
	SpanID  [8]byte
)

// IsZero reports whether the id is unset.
func (t TraceID) IsZero() bool { return t == TraceID{} }

// IsZero reports whether the id is unset.
func (s SpanID) IsZero() bool { return s == SpanID{} }

// Severity is OpenTelemetry's severity number (logs data model): 0 = unknown,
// 1-4 trace, 5-8 debug, 9-12 info, 13-16 warn, 17-20 error, 21-24 fatal.
type Severity uint8

// LogRecord is one line of a stream.
type LogRecord struct {
	Time     int64 // Unix nanoseconds
	Observed int64 // Unix nanoseconds at which a collector saw it, 0 = unknown
	Severity Severity
	Line     string
	Metadata []Attribute // Loki's structured metadata: sorted by key, keys once
	TraceID  TraceID
	SpanID   SpanID
}

// LogStream is what a push carries of one stream.
type LogStream struct {
	Labels  labels.Labels // sorted, without __name__
	Records []LogRecord
}
