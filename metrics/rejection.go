package metrics

import (
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

// The reasons for which records are refused, as in telemetry.Rejection.
const (
	reasonTooOld         = "too_old"
	reasonTooFarAhead    = "too_far_in_future"
	reasonDuplicate      = "duplicate_timestamp"
	reasonOutOfOrder     = "out_of_order"
	reasonNoLabels       = "no_labels"
	reasonNoName         = "missing_metric_name"
	reasonLabelName      = "invalid_label_name"
	reasonLabelValue     = "invalid_label_value"
	reasonDuplicateLabel = "duplicate_label_name"
	reasonTooManyLabels  = "too_many_labels"
	reasonLabelNameLong  = "label_name_too_long"
	reasonLabelValueLong = "label_value_too_long"
	reasonSeriesLimit    = "max_series"
	reasonHistogram      = "invalid_histogram"
	reasonBuckets        = "too_many_buckets"
	reasonExemplar       = "exemplar_labels_too_long"
)

// rejection is why a record is refused for good. It matches, with errors.Is,
// the error by which Prometheus' callers know the case.
type rejection struct {
	reason string
	detail string
	cause  error
}

func (r *rejection) Error() string { return r.detail }
func (r *rejection) Unwrap() error { return r.cause }

// HTTPStatus makes it a client's mistake.
func (r *rejection) HTTPStatus() int { return http.StatusBadRequest }

func reject(reason string, cause error, format string, args ...any) *rejection {
	return &rejection{reason: reason, cause: cause, detail: fmt.Sprintf(format, args...)}
}

// bounds are the times that a tenant may write now.
type bounds struct {
	oldest, newest int64 // Unix milliseconds
	limits         Limits
}

func (l Limits) bounds(now time.Time) bounds {
	b := bounds{oldest: minTime, newest: maxTime, limits: l}
	if l.MaxAge > 0 {
		b.oldest = now.Add(-l.MaxAge).UnixMilli()
	}
	if l.MaxAhead > 0 {
		b.newest = now.Add(l.MaxAhead).UnixMilli()
	}
	return b
}

// minTime and maxTime are farther than any sample, and leave room to add and
// subtract.
const (
	minTime = -1 << 61
	maxTime = 1 << 61
)

// checkTime refuses times out of bounds.
func (b *bounds) checkTime(t int64, ls labels.Labels) *rejection {
	switch {
	case t < b.oldest:
		return reject(reasonTooOld, storage.ErrTooOldSample, "sample of %s at %d ms is older than the limit of %s: raise metrics.limits.max_age, or send it sooner", shorten(ls.String()), t, b.limits.MaxAge)
	case t > b.newest:
		return reject(reasonTooFarAhead, storage.ErrOutOfBounds, "sample of %s at %d ms is further in the future than the limit of %s: correct the sender's clock, or raise metrics.limits.max_ahead", shorten(ls.String()), t, b.limits.MaxAhead)
	}
	return nil
}

// checkLabels refuses label sets that no series may have. Labels are sorted
// and have no empty values.
func (l Limits) checkLabels(ls labels.Labels, needName bool) (rej *rejection) {
	if ls.IsEmpty() {
		return reject(reasonNoLabels, nil, "a series without labels: give it at least a name")
	}
	if needName && ls.Get(labels.MetricName) == "" {
		return reject(reasonNoName, nil, "series %s has no %s label", shorten(ls.String()), labels.MetricName)
	}
	if n := ls.Len(); l.MaxLabels > 0 && n > l.MaxLabels {
		return reject(reasonTooManyLabels, nil, "series %s has %d labels, the limit metrics.limits.max_labels is %d", shorten(ls.Get(labels.MetricName)), n, l.MaxLabels)
	}
	last, first := "", true
	ls.Range(func(lb labels.Label) {
		if rej != nil {
			return
		}
		if !first && lb.Name == last {
			rej = reject(reasonDuplicateLabel, nil, "series %s has label %q twice", shorten(ls.Get(labels.MetricName)), shorten(lb.Name))
			return
		}
		last, first = lb.Name, false
		rej = l.checkLabel(lb)
	})
	return rej
}

func (l Limits) checkLabel(lb labels.Label) *rejection {
	switch {
	case lb.Name == "":
		return reject(reasonLabelName, nil, "a label with value %q has no name", shorten(lb.Value))
	case !utf8.ValidString(lb.Name):
		return reject(reasonLabelName, nil, "label name %q is not valid UTF-8", shorten(lb.Name))
	case l.MaxLabelName > 0 && len(lb.Name) > l.MaxLabelName:
		return reject(reasonLabelNameLong, nil, "label name %q has %d bytes, the limit metrics.limits.max_label_name is %d", shorten(lb.Name), len(lb.Name), l.MaxLabelName)
	case l.MaxLabelValue > 0 && len(lb.Value) > l.MaxLabelValue:
		return reject(reasonLabelValueLong, nil, "value %q of label %q has %d bytes, the limit metrics.limits.max_label_value is %d", shorten(lb.Value), lb.Name, len(lb.Value), l.MaxLabelValue)
	case !utf8.ValidString(lb.Value):
		return reject(reasonLabelValue, nil, "value %q of label %q is not valid UTF-8", shorten(lb.Value), lb.Name)
	}
	return nil
}

// shorten cuts a text that a message quotes.
func shorten(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}
