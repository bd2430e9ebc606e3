package collector

import (
	"context"

	"github.com/watchfire/watchfire/telemetry"
)

// The sinks share one contract. A nil error means that what the outcome does
// not list as rejected is stored durably; rejected records will never be
// accepted, so a sender must not repeat them. With an error nothing may be
// assumed stored: the sender should try again. A sink may keep the strings it
// is given, but no slice after it has returned.
type (
	// MetricSink stores metrics.
	MetricSink interface {
		WriteMetrics(ctx context.Context, tenant string, m telemetry.Metrics) (telemetry.Outcome, error)
	}
	// LogSink stores log lines.
	LogSink interface {
		WriteLogs(ctx context.Context, tenant string, streams []telemetry.LogStream) (telemetry.Outcome, error)
	}
	// SpanSink stores spans.
	SpanSink interface {
		WriteSpans(ctx context.Context, tenant string, spans []telemetry.Span) (telemetry.Outcome, error)
	}
	// EventSink stores events.
	EventSink interface {
		WriteEvents(ctx context.Context, tenant string, events []telemetry.Event) (telemetry.Outcome, error)
	}
)

// Sinks are all of them.
type Sinks struct {
	Metrics MetricSink
	Logs    LogSink
	Spans   SpanSink
	Events  EventSink
}
