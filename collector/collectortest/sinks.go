// Package collectortest has sinks that keep what they are given, for tests.
package collectortest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/watchfire/watchfire/telemetry"
)

// Sink is every sink. It copies what it is given, as the contract demands.
type Sink struct {
	mu      sync.Mutex
	tenants []string
	metrics telemetry.Metrics
	streams []telemetry.LogStream
	spans   []telemetry.Span
	events  []telemetry.Event

	// Err, when set, is what every write returns.
	Err error
	// Reject refuses so many records of every write.
	Reject int
}

func (s *Sink) answer(tenant string, n int) (telemetry.Outcome, error) {
	s.tenants = append(s.tenants, tenant)
	out := telemetry.Outcome{Accepted: n}
	if s.Reject > 0 {
		out.Reject("out_of_bounds", "refused by the test", s.Reject)
		out.Accepted -= s.Reject
	}
	return out, s.Err
}

// WriteMetrics implements collector.MetricSink.
func (s *Sink) WriteMetrics(_ context.Context, tenant string, m telemetry.Metrics) (telemetry.Outcome, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, in := range m.Series {
		n += len(in.Samples) + len(in.Histograms)
		s.metrics.Series = append(s.metrics.Series, telemetry.Series{
			Labels: in.Labels, Samples: slices.Clone(in.Samples),
			Histograms: slices.Clone(in.Histograms), Exemplars: slices.Clone(in.Exemplars),
		})
	}
	s.metrics.Metadata = append(s.metrics.Metadata, m.Metadata...)
	return s.answer(tenant, n)
}

// WriteLogs implements collector.LogSink.
func (s *Sink) WriteLogs(_ context.Context, tenant string, streams []telemetry.LogStream) (telemetry.Outcome, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, in := range streams {
		n += len(in.Records)
		records := slices.Clone(in.Records)
		for i := range records {
			records[i].Metadata = slices.Clone(records[i].Metadata)
		}
		s.streams = append(s.streams, telemetry.LogStream{Labels: in.Labels, Records: records})
	}
	return s.answer(tenant, n)
}

// WriteSpans implements collector.SpanSink.
func (s *Sink) WriteSpans(_ context.Context, tenant string, spans []telemetry.Span) (telemetry.Outcome, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spans = append(s.spans, spans...)
	return s.answer(tenant, len(spans))
}

// WriteEvents implements collector.EventSink.
func (s *Sink) WriteEvents(_ context.Context, tenant string, events []telemetry.Event) (telemetry.Outcome, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, events...)
	return s.answer(tenant, len(events))
}

// Tenants are the tenants of all writes so far, in order.
func (s *Sink) Tenants() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.tenants)
}

// Metrics are all metrics so far.
func (s *Sink) Metrics() telemetry.Metrics {
	s.mu.Lock()
	defer s.mu.Unlock()
	return telemetry.Metrics{Series: slices.Clone(s.metrics.Series), Metadata: slices.Clone(s.metrics.Metadata)}
}

// Series is what was written of a series, all writes together.
func (s *Sink) Series(ls ...string) (out telemetry.Series) {
	want := labels.FromStrings(ls...)
	for _, in := range s.Metrics().Series {
		if labels.Equal(in.Labels, want) {
			out.Labels = in.Labels
			out.Samples = append(out.Samples, in.Samples...)
			out.Histograms = append(out.Histograms, in.Histograms...)
			out.Exemplars = append(out.Exemplars, in.Exemplars...)
		}
	}
	return out
}

// Names are the distinct metric names so far, sorted.
func (s *Sink) Names() []string {
	var names []string
	for _, in := range s.Metrics().Series {
		names = append(names, in.Labels.Get(labels.MetricName))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Streams are all log streams so far.
func (s *Sink) Streams() []telemetry.LogStream {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.streams)
}

// Lines are all lines so far, in order of arrival.
func (s *Sink) Lines() (lines []string) {
	for _, st := range s.Streams() {
		for _, r := range st.Records {
			lines = append(lines, r.Line)
		}
	}
	return lines
}

// Spans are all spans so far.
func (s *Sink) Spans() []telemetry.Span {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.spans)
}

// Events are all events so far.
func (s *Sink) Events() []telemetry.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// Text writes m in a form for golden files: one line a sample.
func Text(m telemetry.Metrics) string {
	var b strings.Builder
	for _, s := range m.Series {
		for _, p := range s.Samples {
			fmt.Fprintf(&b, "%s %v @%d start=%d\n", s.Labels, p.V, p.T, p.Start)
		}
		for _, h := range s.Histograms {
			if h.Int != nil {
				fmt.Fprintf(&b, "%s %s schema=%d int @%d start=%d\n", s.Labels, h.Int, h.Int.Schema, h.T, h.Start)
			} else {
				fmt.Fprintf(&b, "%s %s schema=%d float @%d start=%d\n", s.Labels, h.Float, h.Float.Schema, h.T, h.Start)
			}
		}
		for _, e := range s.Exemplars {
			fmt.Fprintf(&b, "%s exemplar %v %s @%d\n", s.Labels, e.V, e.Labels, e.T)
		}
	}
	for _, d := range m.Metadata {
		fmt.Fprintf(&b, "# %s type=%s unit=%q help=%q\n", d.Metric, d.Type, d.Unit, d.Help)
	}
	return b.String()
}
