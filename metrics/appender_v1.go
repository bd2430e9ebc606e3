package metrics

import (
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/storage"
)

// appenderV1 is an appender with Prometheus' older interface.
type appenderV1 struct {
	*appender
	opts storage.AOptions
}

// SetOptions implements storage.Appender.
func (a *appenderV1) SetOptions(opts *storage.AppendOptions) {
	a.opts.RejectOutOfOrder = opts != nil && opts.DiscardOutOfOrder
}

// Append implements storage.Appender.
func (a *appenderV1) Append(ref storage.SeriesRef, ls labels.Labels, t int64, v float64) (storage.SeriesRef, error) {
	return a.appender.Append(ref, ls, 0, t, v, nil, nil, a.opts)
}

// AppendHistogram implements storage.HistogramAppender.
func (a *appenderV1) AppendHistogram(ref storage.SeriesRef, ls labels.Labels, t int64, h *histogram.Histogram, fh *histogram.FloatHistogram) (storage.SeriesRef, error) {
	return a.appender.Append(ref, ls, 0, t, 0, h, fh, a.opts)
}

// AppendExemplar implements storage.ExemplarAppender.
func (a *appenderV1) AppendExemplar(ref storage.SeriesRef, ls labels.Labels, e exemplar.Exemplar) (storage.SeriesRef, error) {
	return a.appender.AppendExemplars(ref, ls, []exemplar.Exemplar{e})
}

// UpdateMetadata implements storage.MetadataUpdater.
func (a *appenderV1) UpdateMetadata(ref storage.SeriesRef, ls labels.Labels, m metadata.Metadata) (storage.SeriesRef, error) {
	if a.plan == nil {
		return 0, errDone
	}
	a.addMetadata("", ls, m)
	return ref, nil
}

// AppendSTZeroSample implements storage.StartTimestampAppender. A start
// timestamp is stored beside the sample instead, which this interface does not
// allow: nothing is stored.
func (a *appenderV1) AppendSTZeroSample(ref storage.SeriesRef, _ labels.Labels, _, _ int64) (storage.SeriesRef, error) {
	return ref, nil
}

// AppendHistogramSTZeroSample is as AppendSTZeroSample.
func (a *appenderV1) AppendHistogramSTZeroSample(ref storage.SeriesRef, _ labels.Labels, _, _ int64, _ *histogram.Histogram, _ *histogram.FloatHistogram) (storage.SeriesRef, error) {
	return ref, nil
}
