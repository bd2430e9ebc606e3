package logs

import (
	"errors"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/watchfire/watchfire/telemetry"
)

// Limits bound what a tenant may write. Zero means no limit.
type Limits struct {
	// MaxAge is how far lines may lie in the past, MaxAhead how far in the
	// future.
	MaxAge   time.Duration `yaml:"max_age"`
	MaxAhead time.Duration `yaml:"max_ahead"`
	// MaxLine is the length of a line in bytes. A longer one is refused, or
	// cut there if TruncateLine is set.
	MaxLine      int  `yaml:"max_line"`
	TruncateLine bool `yaml:"truncate_line"`
	// MaxLabels is how many labels a stream may have; MaxLabelName and
	// MaxLabelValue are lengths in bytes.
	MaxLabels     int `yaml:"max_labels"`
	MaxLabelName  int `yaml:"max_label_name"`
	MaxLabelValue int `yaml:"max_label_value"`
	// MaxMetadata is how many entries of structured metadata a line may have,
	// MaxMetadataBytes is the length of all their keys and values.
	MaxMetadata      int `yaml:"max_metadata"`
	MaxMetadataBytes int `yaml:"max_metadata_bytes"`
	// MaxStreams is how many streams may have had lines within the last hour.
	MaxStreams int `yaml:"max_streams"`
}

// DefaultLimits are Loki's where it has the same limit, but for the number of
// labels and streams, which cost less here.
func DefaultLimits() Limits {
	return Limits{
		MaxAge:           31 * 24 * time.Hour,
		MaxAhead:         10 * time.Minute,
		MaxLine:          256 << 10,
		MaxLabels:        64,
		MaxLabelName:     1024,
		MaxLabelValue:    2048,
		MaxMetadata:      128,
		MaxMetadataBytes: 64 << 10,
		MaxStreams:       100_000,
	}
}

// Validate reports every value that can't work.
func (l Limits) Validate() error {
	var errs []error
	for _, v := range []struct {
		knob  string
		value int64
	}{
		{"max_age", int64(l.MaxAge)}, {"max_ahead", int64(l.MaxAhead)}, {"max_line", int64(l.MaxLine)},
		{"max_labels", int64(l.MaxLabels)}, {"max_label_name", int64(l.MaxLabelName)}, {"max_label_value", int64(l.MaxLabelValue)},
		{"max_metadata", int64(l.MaxMetadata)}, {"max_metadata_bytes", int64(l.MaxMetadataBytes)}, {"max_streams", int64(l.MaxStreams)},
	} {
		if v.value < 0 {
			errs = append(errs, fmt.Errorf("logs.limits.%s is %d: want 0 (no limit) or more", v.knob, v.value))
		}
	}
	if l.TruncateLine && l.MaxLine == 0 {
		errs = append(errs, errors.New("logs.limits.truncate_line is set, but max_line is 0: set max_line to the length to cut at"))
	}
	return errors.Join(errs...)
}

// The reasons for which lines are refused, as in telemetry.Rejection: Loki's
// names where it has the same.
const (
	reasonTooOld         = "greater_than_max_sample_age"
	reasonTooFarAhead    = "too_far_in_future"
	reasonLineLong       = "line_too_long"
	reasonNoLabels       = "missing_labels"
	reasonTooManyLabels  = "max_label_names_per_series"
	reasonLabelName      = "invalid_label_name"
	reasonLabelValue     = "invalid_label_value"
	reasonLabelNameLong  = "label_name_too_long"
	reasonLabelValueLong = "label_value_too_long"
	reasonDuplicateLabel = "duplicate_label_names"
	reasonMetadataMany   = "structured_metadata_too_many"
	reasonMetadataLarge  = "structured_metadata_too_large"
	reasonStreamLimit    = "stream_limit"
)

// rejection is why a record is refused for good.
type rejection struct{ reason, detail string }

func reject(reason, format string, args ...any) *rejection {
	return &rejection{reason, fmt.Sprintf(format, args...)}
}

// bounds are the limits of a tenant at one moment.
type bounds struct {
	Limits
	oldest, newest int64 // Unix nanoseconds
}

func (l Limits) bounds(now time.Time) bounds {
	b := bounds{Limits: l, oldest: math.MinInt64, newest: math.MaxInt64}
	if l.MaxAge > 0 {
		b.oldest = now.Add(-l.MaxAge).UnixNano()
	}
	if l.MaxAhead > 0 {
		b.newest = now.Add(l.MaxAhead).UnixNano()
	}
	return b
}

// checkLabels checks the labels of a stream.
func (l Limits) checkLabels(ls labels.Labels) *rejection {
	n := ls.Len()
	if n == 0 {
		return reject(reasonNoLabels, "a stream has no labels")
	}
	if l.MaxLabels > 0 && n > l.MaxLabels {
		return reject(reasonTooManyLabels, "a stream has %d labels, the limit is %d: logs.limits.max_labels", n, l.MaxLabels)
	}
	var r *rejection
	last := ""
	ls.Range(func(lb labels.Label) {
		if r == nil {
			r = l.checkLabel(lb, last)
		}
		last = lb.Name
	})
	return r
}

func (l Limits) checkLabel(lb labels.Label, last string) *rejection {
	switch {
	case lb.Name == "" || !utf8.ValidString(lb.Name):
		return reject(reasonLabelName, "label name %q is empty or not UTF-8", clip(lb.Name))
	case lb.Name == last:
		return reject(reasonDuplicateLabel, "label %q comes twice", clip(lb.Name))
	case !utf8.ValidString(lb.Value):
		return reject(reasonLabelValue, "the value of label %q is not UTF-8", clip(lb.Name))
	case l.MaxLabelName > 0 && len(lb.Name) > l.MaxLabelName:
		return reject(reasonLabelNameLong, "label name %q has %d bytes, the limit is %d: logs.limits.max_label_name", clip(lb.Name), len(lb.Name), l.MaxLabelName)
	case l.MaxLabelValue > 0 && len(lb.Value) > l.MaxLabelValue:
		return reject(reasonLabelValueLong, "the value of label %q has %d bytes, the limit is %d: logs.limits.max_label_value", clip(lb.Name), len(lb.Value), l.MaxLabelValue)
	}
	return nil
}

// checkRecord checks one line of a stream.
func (b *bounds) checkRecord(r *telemetry.LogRecord) *rejection {
	switch {
	case r.Time < b.oldest:
		return reject(reasonTooOld, "a line of %s is older than %s: logs.limits.max_age", timeText(r.Time), b.MaxAge)
	case r.Time > b.newest:
		return reject(reasonTooFarAhead, "a line of %s is more than %s ahead: logs.limits.max_ahead", timeText(r.Time), b.MaxAhead)
	case b.MaxLine > 0 && len(r.Line) > b.MaxLine && !b.TruncateLine:
		return reject(reasonLineLong, "a line has %d bytes, the limit is %d: logs.limits.max_line, or set logs.limits.truncate_line", len(r.Line), b.MaxLine)
	case b.MaxMetadata > 0 && len(r.Metadata) > b.MaxMetadata:
		return reject(reasonMetadataMany, "a line has %d entries of structured metadata, the limit is %d: logs.limits.max_metadata", len(r.Metadata), b.MaxMetadata)
	}
	if size := metadataSize(r.Metadata); b.MaxMetadataBytes > 0 && size > b.MaxMetadataBytes {
		return reject(reasonMetadataLarge, "a line has structured metadata of %d bytes, the limit is %d: logs.limits.max_metadata_bytes", size, b.MaxMetadataBytes)
	}
	return nil
}

func metadataSize(attrs []telemetry.Attribute) (n int) {
	for i := range attrs {
		n += len(attrs[i].Key) + len(attrs[i].Value.String())
	}
	return n
}

// clip shortens untrusted text for messages.
func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "..."
	}
	return s
}

func timeText(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339Nano) }
