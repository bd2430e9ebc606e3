package otlp

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/telemetry"
)

// nothing stores nothing.
type nothing struct{}

func (nothing) WriteMetrics(context.Context, string, telemetry.Metrics) (telemetry.Outcome, error) {
	return telemetry.Outcome{}, nil
}
func (nothing) WriteLogs(context.Context, string, []telemetry.LogStream) (telemetry.Outcome, error) {
	return telemetry.Outcome{}, nil
}
func (nothing) WriteSpans(context.Context, string, []telemetry.Span) (telemetry.Outcome, error) {
	return telemetry.Outcome{}, nil
}

func resource4(m pcommon.Map) {
	m.PutStr("service.name", "cart")
	m.PutStr("k8s.namespace.name", "shop")
	m.PutStr("k8s.pod.name", "cart-0")
	m.PutStr("telemetry.sdk.language", "go")
}

func bench(b *testing.B, s signal, n int, body []byte) {
	r := newReceiver(nil, func(o *Options) { o.Sinks = collector.Sinks{Metrics: nothing{}, Logs: nothing{}, Spans: nothing{}} })
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := r.receive(b.Context(), s, body, false); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

func BenchmarkMetrics(b *testing.B) {
	req := pmetricotlp.NewExportRequest()
	rm := req.Metrics().ResourceMetrics().AppendEmpty()
	resource4(rm.Resource().Attributes())
	sm := rm.ScopeMetrics().AppendEmpty()
	for i := range 20 {
		m := sm.Metrics().AppendEmpty()
		m.SetName(fmt.Sprintf("http.server.requests.%d", i))
		s := m.SetEmptySum()
		s.SetIsMonotonic(true)
		s.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
		for j := range 50 {
			d := s.DataPoints().AppendEmpty()
			d.SetTimestamp(1e9)
			d.SetIntValue(int64(j))
			d.Attributes().PutStr("http.route", fmt.Sprintf("/cart/%d", j))
			d.Attributes().PutStr("http.request.method", "GET")
		}
	}
	body, _ := req.MarshalProto()
	bench(b, metricsSignal, 1000, body)
}

func BenchmarkLogs(b *testing.B) {
	req := plogotlp.NewExportRequest()
	rl := req.Logs().ResourceLogs().AppendEmpty()
	resource4(rl.Resource().Attributes())
	records := rl.ScopeLogs().AppendEmpty().LogRecords()
	for i := range 1000 {
		r := records.AppendEmpty()
		r.SetTimestamp(pcommon.Timestamp(i + 1))
		r.SetSeverityNumber(9)
		r.SetSeverityText("INFO")
		r.Body().SetStr(strings.Repeat("0123456789", 20))
		r.Attributes().PutInt("http.response.status_code", 200)
		r.Attributes().PutStr("url.path", "/cart")
		r.SetTraceID(pcommon.TraceID{1, byte(i)})
	}
	body, _ := req.MarshalProto()
	bench(b, logsSignal, 1000, body)
}

func BenchmarkTraces(b *testing.B) {
	req := ptraceotlp.NewExportRequest()
	rs := req.Traces().ResourceSpans().AppendEmpty()
	resource4(rs.Resource().Attributes())
	spans := rs.ScopeSpans().AppendEmpty().Spans()
	for i := range 1000 {
		s := spans.AppendEmpty()
		s.SetName("GET /cart")
		s.SetTraceID(pcommon.TraceID{1, byte(i)})
		s.SetSpanID(pcommon.SpanID{1, byte(i)})
		s.Attributes().PutStr("http.request.method", "GET")
		s.Attributes().PutStr("url.path", "/cart")
		s.Attributes().PutInt("http.response.status_code", 200)
	}
	body, _ := req.MarshalProto()
	bench(b, tracesSignal, 1000, body)
}
