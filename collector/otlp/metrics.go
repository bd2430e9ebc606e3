package otlp

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/storage/remote/otlptranslator/prometheusremotewrite"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/telemetry"
)

// metricsTranslator turns OTLP metrics into series.
type metricsTranslator struct {
	settings   prometheusremotewrite.Settings
	limits     collector.Limits
	deltas     *deltas
	converters sync.Pool
}

func newMetricsTranslator(cfg Config, identity telemetry.IdentityTable, limits collector.Limits, d *deltas) *metricsTranslator {
	defaults := config.DefaultOTLPConfig
	defaults.PromoteResourceAttributes = identity.Attributes()
	return &metricsTranslator{
		settings: prometheusremotewrite.Settings{
			AddMetricSuffixes:                    true,
			PromoteResourceAttributes:            prometheusremotewrite.NewPromoteResourceAttributes(defaults),
			ConvertHistogramsToNHCB:              cfg.NativeHistograms,
			PromoteScopeMetadata:                 cfg.PromoteScope,
			LabelNameUnderscoreSanitization:      defaults.LabelNameUnderscoreSanitization,
			LabelNamePreserveMultipleUnderscores: defaults.LabelNamePreserveMultipleUnderscores,
		},
		limits:     limits,
		deltas:     d,
		converters: sync.Pool{New: func() any { return prometheusremotewrite.NewPrometheusConverter(nil) }},
	}
}

// translate takes md apart; what it refuses is in the outcome. An error is the
// context's.
func (t *metricsTranslator) translate(ctx context.Context, tenant string, md pmetric.Metrics) (telemetry.Metrics, telemetry.Outcome, error) {
	g := &gatherer{limits: t.limits, families: map[string]struct{}{}}
	checkMetrics(md, t.limits, &g.outcome)
	delta := splitDeltas(md)
	if err := t.convert(ctx, md, g); err != nil {
		return telemetry.Metrics{}, g.outcome, err
	}
	if delta.ResourceMetrics().Len() > 0 {
		s := t.deltas.lock(tenant)
		defer s.unlock()
		g.sum = s
		if err := t.convert(ctx, delta, g); err != nil {
			return telemetry.Metrics{}, g.outcome, err
		}
	}
	return g.metrics, g.outcome, nil
}

func (t *metricsTranslator) convert(ctx context.Context, md pmetric.Metrics, g *gatherer) error {
	c := t.converters.Get().(*prometheusremotewrite.PrometheusConverter)
	c.Reset(g)
	settings := t.settings
	settings.LookbackDelta = lookback(md)
	_, err := c.FromMetrics(ctx, md, settings)
	c.Reset(nil)
	t.converters.Put(c)
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	// Whatever the checks let pass and the translation did not: each error is a metric's or a point's.
	n := 1
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		n = len(joined.Unwrap())
	}
	g.outcome.Reject(reasonTranslation, err.Error(), n)
	return nil
}

const (
	defaultLookback = 5 * time.Minute // PromQL's
	maxTargetInfo   = 128             // samples of one resource in one request
)

// lookback is what the translation divides by two for the distance between the
// samples of target_info that it makes from the oldest to the newest point of
// a resource. Points that lie years apart would make millions of them.
func lookback(md pmetric.Metrics) time.Duration {
	most := time.Duration(0)
	for i := range md.ResourceMetrics().Len() {
		oldest, newest := timeRange(md.ResourceMetrics().At(i))
		most = max(most, newest.AsTime().Sub(oldest.AsTime()))
	}
	return max(defaultLookback, most/(maxTargetInfo/2))
}

// timeRange is that of all points, as numbers, as the translation compares them.
func timeRange(rm pmetric.ResourceMetrics) (oldest, newest pcommon.Timestamp) {
	oldest = math.MaxUint64
	see := func(t pcommon.Timestamp) { oldest, newest = min(oldest, t), max(newest, t) }
	for i := range rm.ScopeMetrics().Len() {
		ms := rm.ScopeMetrics().At(i).Metrics()
		for j := range ms.Len() {
			eachTime(ms.At(j), see)
		}
	}
	return oldest, newest
}

func eachTime(m pmetric.Metric, see func(pcommon.Timestamp)) {
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		for i := range m.Gauge().DataPoints().Len() {
			see(m.Gauge().DataPoints().At(i).Timestamp())
		}
	case pmetric.MetricTypeSum:
		for i := range m.Sum().DataPoints().Len() {
			see(m.Sum().DataPoints().At(i).Timestamp())
		}
	case pmetric.MetricTypeHistogram:
		for i := range m.Histogram().DataPoints().Len() {
			see(m.Histogram().DataPoints().At(i).Timestamp())
		}
	case pmetric.MetricTypeExponentialHistogram:
		for i := range m.ExponentialHistogram().DataPoints().Len() {
			see(m.ExponentialHistogram().DataPoints().At(i).Timestamp())
		}
	case pmetric.MetricTypeSummary:
		for i := range m.Summary().DataPoints().Len() {
			see(m.Summary().DataPoints().At(i).Timestamp())
		}
	}
}

// splitDeltas moves the delta metrics of md to a request of their own, marked
// as cumulative, for that is what they become.
func splitDeltas(md pmetric.Metrics) pmetric.Metrics {
	out := pmetric.NewMetrics()
	for i := range md.ResourceMetrics().Len() {
		rm := md.ResourceMetrics().At(i)
		var to pmetric.ResourceMetrics
		moved := false
		for j := range rm.ScopeMetrics().Len() {
			sm := rm.ScopeMetrics().At(j)
			var scope pmetric.ScopeMetrics
			scoped := false
			sm.Metrics().RemoveIf(func(m pmetric.Metric) bool {
				if t, has := temporality(m); !has || t != pmetric.AggregationTemporalityDelta {
					return false
				}
				if !moved {
					to, moved = out.ResourceMetrics().AppendEmpty(), true
					rm.Resource().CopyTo(to.Resource())
				}
				if !scoped {
					scope, scoped = to.ScopeMetrics().AppendEmpty(), true
					sm.Scope().CopyTo(scope.Scope())
				}
				markCumulative(m)
				m.MoveTo(scope.Metrics().AppendEmpty())
				return true
			})
		}
	}
	return out
}

func markCumulative(m pmetric.Metric) {
	const cumulative = pmetric.AggregationTemporalityCumulative
	switch m.Type() {
	case pmetric.MetricTypeSum:
		m.Sum().SetAggregationTemporality(cumulative)
	case pmetric.MetricTypeHistogram:
		m.Histogram().SetAggregationTemporality(cumulative)
	case pmetric.MetricTypeExponentialHistogram:
		m.ExponentialHistogram().SetAggregationTemporality(cumulative)
	}
}
