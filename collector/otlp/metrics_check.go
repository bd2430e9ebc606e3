package otlp

import (
	"strconv"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/telemetry"
)

// minScale is the coarsest exponential histogram that Prometheus' schemas hold.
const minScale = -4

// metricsChecker takes what cannot be stored out of a request, so that one bad
// point does not cost its metric.
type metricsChecker struct {
	limits collector.Limits
	points checker
	out    *telemetry.Outcome
}

func checkMetrics(md pmetric.Metrics, limits collector.Limits, out *telemetry.Outcome) {
	c := metricsChecker{limits: limits, points: labelChecker(limits), out: out}
	resources := labelChecker(limits) // they become labels of target_info
	resources.maxCount, resources.countOption = limits.MaxAttributes, "collector.limits.max_attributes"
	md.ResourceMetrics().RemoveIf(func(rm pmetric.ResourceMetrics) bool {
		if p := resources.check(rm.Resource().Attributes(), "a resource"); !p.ok() {
			c.reject(p, countPoints(rm))
			return true
		}
		rm.ScopeMetrics().RemoveIf(func(sm pmetric.ScopeMetrics) bool {
			sm.Metrics().RemoveIf(c.metric)
			return sm.Metrics().Len() == 0
		})
		return rm.ScopeMetrics().Len() == 0
	})
}

func (c metricsChecker) reject(p problem, n int) {
	if n > 0 {
		c.out.Reject(p.reason, p.detail, n)
	}
}

// metric removes a metric's bad points, and says whether nothing is left.
func (c metricsChecker) metric(m pmetric.Metric) (remove bool) {
	if p := c.metricItself(m); !p.ok() {
		c.reject(p, max(1, points(m)))
		return true
	}
	name := collector.Quote(m.Name())
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		m.Gauge().DataPoints().RemoveIf(func(d pmetric.NumberDataPoint) bool { return c.bad(d.Attributes(), name, problem{}) })
	case pmetric.MetricTypeSum:
		m.Sum().DataPoints().RemoveIf(func(d pmetric.NumberDataPoint) bool { return c.bad(d.Attributes(), name, problem{}) })
	case pmetric.MetricTypeHistogram:
		m.Histogram().DataPoints().RemoveIf(func(d pmetric.HistogramDataPoint) bool {
			return c.bad(d.Attributes(), name, c.histogram(d, name))
		})
	case pmetric.MetricTypeExponentialHistogram:
		m.ExponentialHistogram().DataPoints().RemoveIf(func(d pmetric.ExponentialHistogramDataPoint) bool {
			return c.bad(d.Attributes(), name, c.exponential(d, name))
		})
	case pmetric.MetricTypeSummary:
		m.Summary().DataPoints().RemoveIf(func(d pmetric.SummaryDataPoint) bool { return c.bad(d.Attributes(), name, problem{}) })
	}
	return points(m) == 0
}

func (c metricsChecker) metricItself(m pmetric.Metric) problem {
	switch {
	case m.Name() == "":
		return problem{reasonName, "a metric has no name"}
	case collector.Exceeds(len(m.Name()), c.limits.MaxLabelValueBytes):
		return problem{reasonTooLong, collector.Excess("bytes of the metric name "+collector.Quote(m.Name()), len(m.Name()), "collector.limits.max_label_value_bytes", c.limits.MaxLabelValueBytes)}
	case !utf8.ValidString(m.Name()) || !utf8.ValidString(m.Unit()) || !utf8.ValidString(m.Description()):
		return problem{reasonUTF8, "name, unit or description of metric " + collector.Quote(m.Name()) + " is not valid UTF-8"}
	case m.Type() == pmetric.MetricTypeEmpty:
		return problem{reasonEmpty, "metric " + collector.Quote(m.Name()) + " has no data"}
	}
	if t, has := temporality(m); has && t != pmetric.AggregationTemporalityCumulative && t != pmetric.AggregationTemporalityDelta {
		return problem{reasonTemporality, "metric " + collector.Quote(m.Name()) + " is neither cumulative nor delta"}
	}
	return problem{}
}

// bad reports whether a point must go, and notes why.
func (c metricsChecker) bad(attrs pcommon.Map, metric string, p problem) bool {
	if p.ok() {
		p = c.points.check(attrs, "metric "+metric)
	}
	if p.ok() {
		return false
	}
	c.reject(p, 1)
	return true
}

func (c metricsChecker) histogram(d pmetric.HistogramDataPoint, name string) problem {
	bounds, buckets := d.ExplicitBounds().Len(), d.BucketCounts().Len()
	if collector.Exceeds(buckets, c.limits.MaxBuckets) {
		return problem{reasonHistogram, collector.Excess("buckets of histogram "+name, buckets, "collector.limits.max_buckets", c.limits.MaxBuckets)}
	}
	if buckets != 0 && buckets != bounds+1 {
		return problem{reasonHistogram, "histogram " + name + " has " + strconv.Itoa(buckets) + " buckets for " + strconv.Itoa(bounds) + " bounds, want one more than bounds"}
	}
	for i := 1; i < bounds; i++ {
		if !(d.ExplicitBounds().At(i-1) < d.ExplicitBounds().At(i)) {
			return problem{reasonHistogram, "bounds of histogram " + name + " do not increase"}
		}
	}
	return problem{}
}

func (c metricsChecker) exponential(d pmetric.ExponentialHistogramDataPoint, name string) problem {
	if d.Scale() < minScale {
		return problem{reasonHistogram, "scale " + strconv.Itoa(int(d.Scale())) + " of exponential histogram " + name + " is below -4, the coarsest that native histograms have"}
	}
	if n := d.Positive().BucketCounts().Len() + d.Negative().BucketCounts().Len(); collector.Exceeds(n, c.limits.MaxBuckets) {
		return problem{reasonHistogram, collector.Excess("buckets of histogram "+name, n, "collector.limits.max_buckets", c.limits.MaxBuckets)}
	}
	return problem{}
}

// temporality is m's, if its type has one.
func temporality(m pmetric.Metric) (t pmetric.AggregationTemporality, has bool) {
	switch m.Type() {
	case pmetric.MetricTypeSum:
		return m.Sum().AggregationTemporality(), true
	case pmetric.MetricTypeHistogram:
		return m.Histogram().AggregationTemporality(), true
	case pmetric.MetricTypeExponentialHistogram:
		return m.ExponentialHistogram().AggregationTemporality(), true
	}
	return 0, false
}

func points(m pmetric.Metric) int {
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		return m.Gauge().DataPoints().Len()
	case pmetric.MetricTypeSum:
		return m.Sum().DataPoints().Len()
	case pmetric.MetricTypeHistogram:
		return m.Histogram().DataPoints().Len()
	case pmetric.MetricTypeExponentialHistogram:
		return m.ExponentialHistogram().DataPoints().Len()
	case pmetric.MetricTypeSummary:
		return m.Summary().DataPoints().Len()
	}
	return 0
}

func countPoints(rm pmetric.ResourceMetrics) (n int) {
	for i := range rm.ScopeMetrics().Len() {
		ms := rm.ScopeMetrics().At(i).Metrics()
		for j := range ms.Len() {
			n += points(ms.At(j))
		}
	}
	return n
}
