package gather

import (
	"math"
	"strconv"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/watchfire/watchfire/telemetry"
)

// converter turns metric families into series of one moment.
type converter struct {
	now    int64 // Unix milliseconds
	target labels.Labels
	out    telemetry.Metrics
	names  *labels.Builder
}

// Convert turns families into series with the target's labels and the time now
// in Unix milliseconds. A target's label wins over a metric's own of the same
// name, which is kept as exported_….
func Convert(families []*dto.MetricFamily, target labels.Labels, now int64) telemetry.Metrics {
	c := converter{now: now, target: target, names: labels.NewBuilder(labels.EmptyLabels())}
	for _, f := range families {
		c.out.Metadata = append(c.out.Metadata, telemetry.MetricMetadata{
			Metric: f.GetName(), Type: typeName(f.GetType()), Unit: f.GetUnit(), Help: f.GetHelp(),
		})
		for _, m := range f.GetMetric() {
			c.metric(f, m)
		}
	}
	return c.out
}

func typeName(t dto.MetricType) string {
	if t == dto.MetricType_UNTYPED {
		return "unknown"
	}
	return strings.ReplaceAll(strings.ToLower(t.String()), "_", "")
}

func (c *converter) metric(f *dto.MetricFamily, m *dto.Metric) {
	switch name := f.GetName(); {
	case m.Counter != nil:
		start := int64(0)
		if t := m.Counter.GetCreatedTimestamp(); t != nil {
			start = t.AsTime().UnixMilli()
		}
		s := c.sample(name, m, start, m.Counter.GetValue())
		s.Exemplars = c.exemplars(m.Counter.GetExemplar())
	case m.Gauge != nil:
		c.sample(name, m, 0, m.Gauge.GetValue())
	case m.Untyped != nil:
		c.sample(name, m, 0, m.Untyped.GetValue())
	case m.Summary != nil:
		c.summary(name, m)
	case m.Histogram != nil:
		c.histogram(name, m)
	}
}

// sample adds a series; extra are pairs of label name and value.
func (c *converter) sample(name string, m *dto.Metric, start int64, v float64, extra ...string) *telemetry.Series {
	t := c.now
	if m.TimestampMs != nil {
		t = m.GetTimestampMs()
	}
	c.out.Series = append(c.out.Series, telemetry.Series{
		Labels:  c.labels(name, m, extra...),
		Samples: []telemetry.Sample{{T: t, Start: start, V: v}},
	})
	return &c.out.Series[len(c.out.Series)-1]
}

func (c *converter) labels(name string, m *dto.Metric, extra ...string) labels.Labels {
	c.names.Reset(c.target)
	for _, l := range m.GetLabel() {
		n := l.GetName()
		if c.target.Has(n) {
			n = "exported_" + n
		}
		c.names.Set(n, l.GetValue())
	}
	for i := 0; i < len(extra); i += 2 {
		c.names.Set(extra[i], extra[i+1])
	}
	c.names.Set(labels.MetricName, name)
	return c.names.Labels()
}

func (c *converter) summary(name string, m *dto.Metric) {
	s, start := m.Summary, int64(0)
	if t := s.GetCreatedTimestamp(); t != nil {
		start = t.AsTime().UnixMilli()
	}
	for _, q := range s.GetQuantile() {
		c.sample(name, m, 0, q.GetValue(), "quantile", number(q.GetQuantile()))
	}
	c.sample(name+"_sum", m, start, s.GetSampleSum())
	c.sample(name+"_count", m, start, float64(s.GetSampleCount()))
}

// histogram adds classic buckets, a native histogram, or both.
func (c *converter) histogram(name string, m *dto.Metric) {
	h, start := m.Histogram, int64(0)
	if t := h.GetCreatedTimestamp(); t != nil {
		start = t.AsTime().UnixMilli()
	}
	if native(h) {
		c.native(name, m, start)
	}
	if len(h.GetBucket()) == 0 {
		if !native(h) {
			c.sample(name+"_bucket", m, start, float64(h.GetSampleCount()), "le", "+Inf")
			c.sample(name+"_sum", m, start, h.GetSampleSum())
			c.sample(name+"_count", m, start, float64(h.GetSampleCount()))
		}
		return
	}
	infinite := false
	for _, b := range h.GetBucket() {
		infinite = infinite || math.IsInf(b.GetUpperBound(), 1)
		s := c.sample(name+"_bucket", m, start, float64(b.GetCumulativeCount()), "le", number(b.GetUpperBound()))
		s.Exemplars = c.exemplars(b.GetExemplar())
	}
	if !infinite {
		c.sample(name+"_bucket", m, start, float64(h.GetSampleCount()), "le", "+Inf")
	}
	c.sample(name+"_sum", m, start, h.GetSampleSum())
	c.sample(name+"_count", m, start, float64(h.GetSampleCount()))
}

func native(h *dto.Histogram) bool {
	return len(h.GetPositiveSpan())+len(h.GetNegativeSpan()) > 0 || h.GetZeroThreshold() > 0 || h.GetZeroCount() > 0
}

func (c *converter) native(name string, m *dto.Metric, start int64) {
	h := m.Histogram
	c.out.Series = append(c.out.Series, telemetry.Series{
		Labels:    c.labels(name, m),
		Exemplars: c.exemplars(h.GetExemplars()...),
		Histograms: []telemetry.HistogramSample{{T: c.now, Start: start, Int: &histogram.Histogram{
			Schema: h.GetSchema(), ZeroThreshold: h.GetZeroThreshold(), ZeroCount: h.GetZeroCount(),
			Count: h.GetSampleCount(), Sum: h.GetSampleSum(),
			PositiveSpans: spans(h.GetPositiveSpan()), PositiveBuckets: h.GetPositiveDelta(),
			NegativeSpans: spans(h.GetNegativeSpan()), NegativeBuckets: h.GetNegativeDelta(),
		}}},
	})
}

func spans(in []*dto.BucketSpan) []histogram.Span {
	out := make([]histogram.Span, len(in))
	for i, s := range in {
		out[i] = histogram.Span{Offset: s.GetOffset(), Length: s.GetLength()}
	}
	return out
}

func (c *converter) exemplars(in ...*dto.Exemplar) (out []telemetry.Exemplar) {
	for _, e := range in {
		if e == nil {
			continue
		}
		b := labels.NewScratchBuilder(len(e.GetLabel()))
		for _, l := range e.GetLabel() {
			b.Add(l.GetName(), l.GetValue())
		}
		b.Sort()
		t := c.now
		if e.Timestamp != nil {
			t = e.GetTimestamp().AsTime().UnixMilli()
		}
		out = append(out, telemetry.Exemplar{T: t, V: e.GetValue(), Labels: b.Labels()})
	}
	return out
}

// number writes v as the value of an le or quantile label.
func number(v float64) string {
	if math.IsInf(v, 1) {
		return "+Inf"
	}
	s := strconv.FormatFloat(v, 'g', -1, 64)
	if !strings.ContainsAny(s, "e.IN") {
		s += ".0" // as Prometheus normalizes le and quantile since version 3
	}
	return s
}
