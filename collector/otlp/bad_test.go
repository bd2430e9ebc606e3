package otlp

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/watchfire/watchfire/collector/collectortest"
	"github.com/watchfire/watchfire/server"
)

func manyAttributes(m pcommon.Map) {
	for i := range 10_000 {
		m.PutStr(fmt.Sprintf("k%05d", i), "v")
	}
}

// Each case spoils one of two records; the other one must be stored.
func TestBadMetricPoints(t *testing.T) {
	for _, tc := range []struct {
		name  string
		spoil func(pmetric.Metric)
		want  string
	}{
		{"10,000 attributes", func(m pmetric.Metric) { manyAttributes(m.SetEmptyGauge().DataPoints().AppendEmpty().Attributes()) },
			`attributes of metric "bad": 10000 exceeds the limit collector.limits.max_labels of 100`},
		{"1 MB value", func(m pmetric.Metric) {
			m.SetEmptyGauge().DataPoints().AppendEmpty().Attributes().PutStr("big", strings.Repeat("x", 1<<20))
		}, `bytes of attribute "big" of metric "bad": 1048576 exceeds the limit collector.limits.max_label_value_bytes of 8192`},
		{"UTF-8", func(m pmetric.Metric) { m.SetEmptyGauge().DataPoints().AppendEmpty().Attributes().PutStr("k", "\xff") },
			`attribute "k" of metric "bad" is not valid UTF-8`},
		{"no key", func(m pmetric.Metric) { m.SetEmptyGauge().DataPoints().AppendEmpty().Attributes().PutStr("", "v") },
			`an attribute of metric "bad" has no key`},
		{"no name", func(m pmetric.Metric) { m.SetName(""); m.SetEmptyGauge().DataPoints().AppendEmpty() }, `a metric has no name`},
		{"name is not UTF-8", func(m pmetric.Metric) { m.SetName("\xff"); m.SetEmptyGauge().DataPoints().AppendEmpty() }, `is not valid UTF-8`},
		{"no data", func(pmetric.Metric) {}, `metric "bad" has no data`},
		{"temporality", func(m pmetric.Metric) { m.SetEmptySum().DataPoints().AppendEmpty() }, `metric "bad" is neither cumulative nor delta`},
		{"bucket count", func(m pmetric.Metric) {
			h := m.SetEmptyHistogram()
			h.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
			h.DataPoints().AppendEmpty().BucketCounts().FromRaw([]uint64{1, 2, 3})
		}, `histogram "bad" has 3 buckets for 0 bounds, want one more than bounds`},
		{"bounds", func(m pmetric.Metric) {
			h := m.SetEmptyHistogram()
			h.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
			d := h.DataPoints().AppendEmpty()
			d.BucketCounts().FromRaw([]uint64{1, 2, 3})
			d.ExplicitBounds().FromRaw([]float64{2, 1})
		}, `bounds of histogram "bad" do not increase`},
		{"too many buckets", func(m pmetric.Metric) {
			h := m.SetEmptyHistogram()
			h.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
			h.DataPoints().AppendEmpty().BucketCounts().FromRaw(make([]uint64, 2000))
		}, `buckets of histogram "bad": 2000 exceeds the limit collector.limits.max_buckets of 1024`},
		{"scale", func(m pmetric.Metric) {
			h := m.SetEmptyExponentialHistogram()
			h.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
			h.DataPoints().AppendEmpty().SetScale(-5)
		}, `scale -5 of exponential histogram "bad" is below -4`},
		{"count", func(m pmetric.Metric) {
			h := m.SetEmptyExponentialHistogram()
			h.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
			d := h.DataPoints().AppendEmpty()
			d.SetCount(5)
			d.Positive().BucketCounts().FromRaw([]uint64{1})
		}, `histogram "bad": 1 observations found in buckets, but the Count field is 5`},
		{"bucket overflow", func(m pmetric.Metric) {
			h := m.SetEmptyExponentialHistogram()
			h.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
			d := h.DataPoints().AppendEmpty()
			d.SetCount(3)
			d.Positive().SetOffset(1<<31 - 2)
			d.Positive().BucketCounts().FromRaw([]uint64{1, 1, 1})
		}, `histogram "bad"`},
		{"underscores only", func(m pmetric.Metric) { m.SetEmptyGauge().DataPoints().AppendEmpty().Attributes().PutStr("__", "v") }, `label name`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			req := pmetricotlp.NewExportRequest()
			ms := req.Metrics().ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics()
			bad := ms.AppendEmpty()
			bad.SetName("bad")
			tc.spoil(bad)
			good := ms.AppendEmpty()
			good.SetName("good")
			good.SetEmptyGauge().DataPoints().AppendEmpty().SetIntValue(1)
			body, err := req.MarshalProto()
			if err != nil {
				t.Fatal(err)
			}
			sink := &collectortest.Sink{}
			resp, err := newReceiver(sink).receive(t.Context(), metricsSignal, body, false)
			if err != nil || resp.rejected != 1 || !strings.Contains(resp.message, tc.want) {
				t.Errorf("%d rejected: %s, %v\nwant %s", resp.rejected, resp.message, err, tc.want)
			}
			if got := fmt.Sprint(sink.Names()); got != "[good]" {
				t.Errorf("stored %s", got)
			}
		})
	}
}

func TestBadLogRecords(t *testing.T) {
	for _, tc := range []struct {
		name  string
		spoil func(plog.LogRecord)
		want  string
	}{
		{"10,000 attributes", func(r plog.LogRecord) { manyAttributes(r.Attributes()) },
			"attributes of a log record: 10000 exceeds the limit collector.limits.max_attributes of 512"},
		{"1 MB attribute", func(r plog.LogRecord) { r.Attributes().PutStr("k", strings.Repeat("x", 1<<20)) },
			`bytes of attribute "k" of a log record: 1048576 exceeds the limit collector.limits.max_attribute_bytes of 65536`},
		{"1 MB line", func(r plog.LogRecord) { r.Body().SetStr(strings.Repeat("x", 1<<20)) },
			"bytes of a log line: 1048576 exceeds the limit collector.limits.max_line_bytes of 262144"},
		{"UTF-8 line", func(r plog.LogRecord) { r.Body().SetStr("\xff") }, "a log line or its severity text is not valid UTF-8"},
		{"UTF-8 nested", func(r plog.LogRecord) {
			r.Attributes().PutEmptyMap("m").PutEmptySlice("s").AppendEmpty().SetStr("\xff")
		},
			`attribute "m" of a log record is not valid UTF-8`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			req := plogotlp.NewExportRequest()
			lrs := req.Logs().ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
			tc.spoil(lrs.AppendEmpty())
			lrs.AppendEmpty().Body().SetStr("good")
			body, _ := req.MarshalProto()
			sink := &collectortest.Sink{}
			resp, err := newReceiver(sink).receive(t.Context(), logsSignal, body, false)
			if err != nil || resp.rejected != 1 || !strings.Contains(resp.message, tc.want) {
				t.Errorf("%d rejected: %s, %v", resp.rejected, resp.message, err)
			}
			if got := fmt.Sprint(sink.Lines()); got != "[good]" {
				t.Errorf("stored %s", got)
			}
		})
	}
}

func TestBadSpans(t *testing.T) {
	for _, tc := range []struct {
		name  string
		spoil func(ptrace.Span)
		want  string
	}{
		{"10,000 attributes", func(s ptrace.Span) { manyAttributes(s.Attributes()) },
			`attributes of span "bad": 10000 exceeds the limit collector.limits.max_attributes of 512`},
		{"1 MB name", func(s ptrace.Span) { s.SetName(strings.Repeat("x", 1<<20)) }, "1048576 exceeds the limit collector.limits.max_attribute_bytes of 65536"},
		{"UTF-8", func(s ptrace.Span) { s.SetName("\xff") }, "is not valid UTF-8"},
		{"ids", func(s ptrace.Span) { s.SetTraceID(pcommon.TraceID{}) }, `span "bad" has no trace id or no span id`},
		{"events", func(s ptrace.Span) {
			for range 2000 {
				s.Events().AppendEmpty()
			}
		}, `events of span "bad": 2000 exceeds the limit collector.limits.max_span_events of 1024`},
		{"event attribute", func(s ptrace.Span) { s.Events().AppendEmpty().Attributes().PutStr("k", "\xff") },
			`attribute "k" of an event of span "bad" is not valid UTF-8`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			req := ptraceotlp.NewExportRequest()
			spans := req.Traces().ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans()
			for _, name := range []string{"bad", "good"} {
				s := spans.AppendEmpty()
				s.SetName(name)
				s.SetTraceID(pcommon.TraceID{1})
				s.SetSpanID(pcommon.SpanID{1})
				if name == "bad" {
					tc.spoil(s)
				}
			}
			body, _ := req.MarshalProto()
			sink := &collectortest.Sink{}
			resp, err := newReceiver(sink).receive(t.Context(), tracesSignal, body, false)
			if err != nil || resp.rejected != 1 || !strings.Contains(resp.message, tc.want) {
				t.Errorf("%d rejected: %s, %v", resp.rejected, resp.message, err)
			}
			if got := sink.Spans(); len(got) != 1 || got[0].Name != "good" {
				t.Errorf("stored %+v", got)
			}
		})
	}
}

// Small bodies that would become gigabytes, or overflow the stack, when decoded.
func TestBombsAreRefusedBeforeDecoding(t *testing.T) {
	wrap := func(levels int, inner []byte) []byte {
		for range levels {
			inner = appendField(nil, 2, inner) // resource → scope → record
		}
		return append([]byte(nil), appendField(nil, 1, inner)...)
	}
	deep := []byte{}
	for range 300 {
		deep = appendField(nil, 5, appendField(nil, 1, deep))
	}
	for _, tc := range []struct {
		name string
		s    signal
		body []byte
		json bool
		want string
	}{
		{"a million records", logsSignal, wrap(1, bytes.Repeat([]byte{0x12, 0}, 1<<20)), false, "records of the request: 1048576 exceeds the limit collector.limits.max_records of 500000"},
		{"attributes", logsSignal, wrap(2, bytes.Repeat([]byte{0x32, 0}, 5<<20)), false, "the request has more than 4194304 parts"},
		{"deep", logsSignal, wrap(2, appendField(nil, 5, deep)), false, "nested deeper than 64 levels"},
		{"deep JSON", tracesSignal, []byte(strings.Repeat(`{"a":[`, 200)), true, "nested deeper than 64 levels"},
		{"objects", metricsSignal, []byte("[" + strings.Repeat("{},", 5<<20) + "]"), true, "the request has more than 4194304 parts"},
		{"truncated", metricsSignal, wrap(2, []byte{0x3a})[:7], false, "cannot parse the request"},
		{"truncated JSON", metricsSignal, []byte(`{"resourceMetrics":[{`), true, "cannot parse the request"},
		{"wrong type", metricsSignal, []byte(`{"resourceMetrics":7}`), true, "cannot parse the request"},
		{"not protobuf", tracesSignal, []byte("hello"), false, "cannot parse the request"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := newReceiver(&collectortest.Sink{}).receive(t.Context(), tc.s, tc.body, tc.json)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("error %v, want %q", err, tc.want)
			}
			if e := server.AsError(t.Context(), err); e.Status/100 != 4 {
				t.Errorf("status %d", e.Status)
			}
		})
	}
}

// Two points that lie centuries apart must not fill the time between them.
func TestTargetInfoIsBounded(t *testing.T) {
	for _, times := range [][2]uint64{{0, 1 << 62}, {1, 1<<63 - 1}, {1 << 63, 1<<64 - 1}, {1, 1<<64 - 1}, {1e18, 1e18 + 3600e9}} {
		req := pmetricotlp.NewExportRequest()
		rm := req.Metrics().ResourceMetrics().AppendEmpty()
		rm.Resource().Attributes().PutStr("service.name", "a")
		rm.Resource().Attributes().PutStr("other", "b")
		g := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
		g.SetName("g")
		for _, at := range times {
			d := pmetric.NewNumberDataPoint()
			d.SetTimestamp(pcommon.Timestamp(at))
			d.SetIntValue(1)
			if g.Type() != pmetric.MetricTypeGauge {
				g.SetEmptyGauge()
			}
			d.MoveTo(g.Gauge().DataPoints().AppendEmpty())
		}
		body, _ := req.MarshalProto()
		sink := &collectortest.Sink{}
		if _, err := newReceiver(sink).receive(t.Context(), metricsSignal, body, false); err != nil {
			t.Fatal(err)
		}
		if n := len(sink.Series("__name__", "target_info", "job", "a", "other", "b").Samples); n == 0 || n > maxTargetInfo+1 {
			t.Errorf("%v: %d samples of target_info", times, n)
		}
	}
}

func appendField(dst []byte, num byte, payload []byte) []byte {
	dst = append(dst, num<<3|2)
	for n := len(payload); ; n >>= 7 {
		if n < 0x80 {
			return append(append(dst, byte(n)), payload...)
		}
		dst = append(dst, byte(n)|0x80)
	}
}

func fuzz(f *testing.F, s signal, seeds ...[]byte) {
	for _, seed := range seeds {
		f.Add(seed, true)
		if proto := toProto(s, seed); proto != nil {
			f.Add(proto, false)
			for i := 0; i < len(proto); i += 11 {
				f.Add(proto[:i], false)
			}
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, json bool) {
		_, err := newReceiver(&collectortest.Sink{}).receive(t.Context(), s, body, json)
		if err != nil && server.AsError(t.Context(), err).Status/100 != 4 {
			t.Errorf("bad input is not the sender's fault: %v", err)
		}
	})
}

func toProto(s signal, json []byte) (b []byte) {
	switch s.name {
	case server.Metrics:
		r := pmetricotlp.NewExportRequest()
		if r.UnmarshalJSON(json) == nil {
			b, _ = r.MarshalProto()
		}
	case server.Logs:
		r := plogotlp.NewExportRequest()
		if r.UnmarshalJSON(json) == nil {
			b, _ = r.MarshalProto()
		}
	case server.Traces:
		r := ptraceotlp.NewExportRequest()
		if r.UnmarshalJSON(json) == nil {
			b, _ = r.MarshalProto()
		}
	}
	return b
}

func FuzzMetrics(f *testing.F) { fuzz(f, metricsSignal, input(f, "metrics.json")) }
func FuzzLogs(f *testing.F)    { fuzz(f, logsSignal, input(f, "logs.json")) }
func FuzzTraces(f *testing.F)  { fuzz(f, tracesSignal, input(f, "traces.json")) }
