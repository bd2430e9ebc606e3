package otlp

import (
	"fmt"

	"github.com/prometheus/common/model"
	prom "github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	stale "github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/telemetry"
)

// gatherer is the appender that Prometheus' translation writes to.
type gatherer struct {
	limits   collector.Limits
	metrics  telemetry.Metrics
	outcome  telemetry.Outcome
	samples  []telemetry.Sample
	families map[string]struct{} // whose metadata is known
	sum      *tenantDeltas       // set while points are deltas
}

// Append implements storage.AppenderV2. It never fails, so that one sample
// does not cost the rest of its metric.
func (g *gatherer) Append(_ storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *prom.Histogram, fh *prom.FloatHistogram, opts storage.AOptions) (storage.SeriesRef, error) {
	if n := ls.Len(); collector.Exceeds(n, g.limits.MaxLabels) {
		g.outcome.Reject(reasonLabels, collector.Excess("labels of "+collector.Quote(ls.Get(labels.MetricName)), n, "collector.limits.max_labels", g.limits.MaxLabels), 1)
		return 0, nil
	}
	series := telemetry.Series{Labels: ls, Exemplars: exemplars(opts)}
	if h == nil && fh == nil {
		s, ok := g.sample(ls, telemetry.Sample{T: t, Start: st, V: v})
		if !ok {
			return 0, nil
		}
		g.samples = append(g.samples, s)
		series.Samples = g.samples[len(g.samples)-1 : len(g.samples) : len(g.samples)]
	} else {
		s, ok := g.histogram(ls, telemetry.HistogramSample{T: t, Start: st, Int: h, Float: fh})
		if !ok {
			return 0, nil
		}
		series.Histograms = []telemetry.HistogramSample{s}
	}
	g.metrics.Series = append(g.metrics.Series, series)
	g.metadata(opts)
	return 0, nil
}

// isTargetInfo says whether ls is the series that describes a resource, which
// is a gauge even among deltas.
func isTargetInfo(ls labels.Labels) bool { return ls.Get(labels.MetricName) == "target_info" }

func (g *gatherer) sample(ls labels.Labels, s telemetry.Sample) (telemetry.Sample, bool) {
	if g.sum == nil || stale.IsStaleNaN(s.V) || isTargetInfo(ls) {
		return s, true
	}
	s, p := g.sum.sample(ls, s)
	if !p.ok() {
		g.outcome.Reject(p.reason, p.detail, 1)
	}
	return s, p.ok()
}

func (g *gatherer) histogram(ls labels.Labels, s telemetry.HistogramSample) (_ telemetry.HistogramSample, ok bool) {
	if err := collector.CheckHistogram(s.Int, s.Float, g.limits.MaxBuckets); err != nil {
		g.outcome.Reject(reasonHistogram, fmt.Sprintf("histogram %s: %v", collector.Quote(ls.Get(labels.MetricName)), err), 1)
		return s, false
	}
	if g.sum == nil || stale.IsStaleNaN(sumOf(s)) {
		return s, true
	}
	s, p := g.sum.histogram(ls, s)
	if !p.ok() {
		g.outcome.Reject(p.reason, p.detail, 1)
	}
	return s, p.ok()
}

func sumOf(s telemetry.HistogramSample) float64 {
	if s.Int != nil {
		return s.Int.Sum
	}
	return s.Float.Sum
}

// metadata notes a family once.
func (g *gatherer) metadata(opts storage.AOptions) {
	if opts.MetricFamilyName == "" {
		return
	}
	if _, known := g.families[opts.MetricFamilyName]; known {
		return
	}
	g.families[opts.MetricFamilyName] = struct{}{}
	help := opts.Metadata.Help
	if collector.Exceeds(len(help), g.limits.MaxLabelValueBytes) {
		help = help[:g.limits.MaxLabelValueBytes]
	}
	g.metrics.Metadata = append(g.metrics.Metadata, telemetry.MetricMetadata{
		Metric: opts.MetricFamilyName, Type: string(opts.Metadata.Type), Unit: opts.Metadata.Unit, Help: help,
	})
}

func exemplars(opts storage.AOptions) []telemetry.Exemplar {
	if len(opts.Exemplars) == 0 {
		return nil
	}
	out := make([]telemetry.Exemplar, 0, len(opts.Exemplars))
	for _, e := range opts.Exemplars {
		if e.Labels.IsValid(model.UTF8Validation) {
			out = append(out, telemetry.Exemplar{T: e.Ts, V: e.Value, Labels: e.Labels})
		}
	}
	return out
}

// Commit implements storage.AppenderV2; the gatherer's owner reads its fields.
func (g *gatherer) Commit() error { return nil }

// Rollback implements storage.AppenderV2.
func (g *gatherer) Rollback() error { return nil }
