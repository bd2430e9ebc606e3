package metrics

import (
	"context"
	"errors"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/storage"

	"github.com/watchfire/watchfire/telemetry"
)

// Appendable is a Writer as Prometheus' scraping, rules and write handlers
// want it: storage.Appendable and storage.AppendableV2.
type Appendable struct {
	w      *Writer
	tenant func(context.Context) string
}

// Appendable writes to the tenant that the function takes from an appender's
// context, such as server.Tenant.
func (w *Writer) Appendable(tenant func(context.Context) string) *Appendable {
	return &Appendable{w: w, tenant: tenant}
}

// AppenderV2 implements storage.AppendableV2. What it commits is durable, and
// seen by queries that start afterwards.
func (a *Appendable) AppenderV2(ctx context.Context) storage.AppenderV2 { return a.appender(ctx) }

// Appender implements storage.Appendable.
func (a *Appendable) Appender(ctx context.Context) storage.Appender {
	return &appenderV1{appender: a.appender(ctx)}
}

func (a *Appendable) appender(ctx context.Context) *appender {
	return &appender{ctx: ctx, w: a.w, plan: a.w.begin(a.tenant(ctx))}
}

// appender is one transaction. Its context is a field because Prometheus'
// Commit has no parameter for it.
type appender struct {
	ctx     context.Context
	w       *Writer
	plan    *plan // nil after Commit and Rollback
	samples []telemetry.Sample
	refused *rejection
}

// errDone is what an appender answers after Commit or Rollback.
var errDone = errors.New("appender is committed or rolled back already")

// Append implements storage.AppenderV2.
func (a *appender) Append(_ storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, opts storage.AOptions) (storage.SeriesRef, error) {
	if a.plan == nil {
		return 0, errDone
	}
	s := telemetry.Series{Labels: ls}
	if h != nil || fh != nil {
		// The caller may use its histogram again.
		s.Histograms = []telemetry.HistogramSample{copyHistogram(st, t, h, fh)}
	} else {
		a.samples = append(a.samples, telemetry.Sample{T: t, Start: st, V: v})
		n := len(a.samples)
		s.Samples = a.samples[n-1 : n : n]
	}
	a.plan.inOrder = opts.RejectOutOfOrder
	if err := a.add(s); err != nil {
		return 0, err
	}
	if !opts.Metadata.IsEmpty() {
		a.addMetadata(opts.MetricFamilyName, ls, opts.Metadata)
	}
	return refOf(a.plan), a.appendExemplars(ls, opts.Exemplars)
}

// add plans one row and returns why it is refused.
func (a *appender) add(s telemetry.Series) error {
	a.refused = nil
	a.plan.add(s, a.refuse)
	if a.refused != nil {
		return a.refused
	}
	return nil
}

func (a *appender) refuse(r *rejection, n int) {
	a.w.metrics.rejected.WithLabelValues(r.reason).Add(float64(n))
	a.refused = r
}

// refOf is the reference of the series planned last: any number but zero, for
// appenders find series by their labels.
func refOf(p *plan) storage.SeriesRef {
	return storage.SeriesRef(p.series[len(p.series)-1].id.Lo | 1)
}

// AppendExemplars implements storage.ExemplarAppenderV2.
func (a *appender) AppendExemplars(ref storage.SeriesRef, ls labels.Labels, es []exemplar.Exemplar) (storage.SeriesRef, error) {
	if a.plan == nil {
		return 0, errDone
	}
	return ref, a.appendExemplars(ls, es)
}

func (a *appender) appendExemplars(ls labels.Labels, es []exemplar.Exemplar) error {
	var partial *storage.AppendPartialError
	for i, e := range es {
		err := a.add(telemetry.Series{Labels: ls, Exemplars: []telemetry.Exemplar{{T: e.Ts, V: e.Value, Labels: e.Labels}}})
		if err == nil {
			continue
		}
		if partial == nil {
			partial = &storage.AppendPartialError{}
		}
		partial.ExemplarErrors = append(partial.ExemplarErrors, storage.ExemplarError{Index: i, Err: err})
	}
	return partial.ToError()
}

func (a *appender) addMetadata(family string, ls labels.Labels, m metadata.Metadata) {
	if family == "" {
		family = ls.Get(labels.MetricName)
	}
	a.plan.addMetadata(telemetry.MetricMetadata{Metric: family, Type: string(m.Type), Unit: m.Unit, Help: m.Help})
}

// Commit implements storage.AppenderTransaction.
func (a *appender) Commit() error {
	if a.plan == nil {
		return errDone
	}
	defer a.finish()
	return a.w.store(a.ctx, a.plan)
}

// Rollback implements storage.AppenderTransaction.
func (a *appender) Rollback() error {
	if a.plan == nil {
		return errDone
	}
	for _, f := range a.plan.fresh {
		a.plan.release(f.month, f.days)
	}
	a.finish()
	return nil
}

func (a *appender) finish() {
	a.w.end(a.plan)
	a.plan = nil
}

func copyHistogram(st, t int64, h *histogram.Histogram, fh *histogram.FloatHistogram) telemetry.HistogramSample {
	s := telemetry.HistogramSample{T: t, Start: st}
	if fh != nil {
		s.Float = fh.Copy()
		return s
	}
	s.Int = h.Copy()
	return s
}
