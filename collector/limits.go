package collector

import (
	"errors"
	"fmt"
)

// Limits bound one record, and how many a request may carry, whatever protocol
// brings it. A record that exceeds one is refused and named; the rest of its
// batch is kept. The size of a request in bytes is the server's to limit.
// 0 = no limit.
type Limits struct {
	// MaxRecords bounds the samples, lines or spans of one request.
	MaxRecords int `yaml:"max_records"`
	// MaxLabels bounds the labels of a series.
	MaxLabels int `yaml:"max_labels"`
	// MaxLabelNameBytes and MaxLabelValueBytes bound each label of a series or log stream.
	MaxLabelNameBytes  int `yaml:"max_label_name_bytes"`
	MaxLabelValueBytes int `yaml:"max_label_value_bytes"`
	// MaxStreamLabels bounds the labels of a log stream.
	MaxStreamLabels int `yaml:"max_stream_labels"`
	// MaxLineBytes bounds a log line.
	MaxLineBytes int `yaml:"max_line_bytes"`
	// MaxAttributes bounds the attributes of a log line, a span, a span's event or a resource.
	MaxAttributes int `yaml:"max_attributes"`
	// MaxAttributeBytes bounds an attribute's key and value together.
	MaxAttributeBytes int `yaml:"max_attribute_bytes"`
	// MaxBuckets bounds the buckets of one histogram.
	MaxBuckets int `yaml:"max_buckets"`
	// MaxSpanEvents bounds the events of a span, and its links.
	MaxSpanEvents int `yaml:"max_span_events"`
}

// DefaultLimits let pass everything that well-behaved senders send.
func DefaultLimits() Limits {
	return Limits{
		MaxRecords:         500_000,
		MaxLabels:          100,
		MaxLabelNameBytes:  1 << 10,
		MaxLabelValueBytes: 8 << 10,
		MaxStreamLabels:    40,
		MaxLineBytes:       256 << 10,
		MaxAttributes:      512,
		MaxAttributeBytes:  64 << 10,
		MaxBuckets:         1 << 10,
		MaxSpanEvents:      1 << 10,
	}
}

// Validate names every limit below zero.
func (l Limits) Validate() error {
	var errs []error
	for _, f := range []struct {
		name  string
		value int
	}{
		{"max_records", l.MaxRecords},
		{"max_labels", l.MaxLabels},
		{"max_label_name_bytes", l.MaxLabelNameBytes},
		{"max_label_value_bytes", l.MaxLabelValueBytes},
		{"max_stream_labels", l.MaxStreamLabels},
		{"max_line_bytes", l.MaxLineBytes},
		{"max_attributes", l.MaxAttributes},
		{"max_attribute_bytes", l.MaxAttributeBytes},
		{"max_buckets", l.MaxBuckets},
		{"max_span_events", l.MaxSpanEvents},
	} {
		if f.value < 0 {
			errs = append(errs, fmt.Errorf("%s: %d is negative: use 0 for no limit", f.name, f.value))
		}
	}
	return errors.Join(errs...)
}

// Exceeds reports whether n is over a limit that is set.
func Exceeds(n, limit int) bool { return limit > 0 && n > limit }

// Excess is the text of a refusal: what is too much, how much it is, and the
// limit with the option that sets it.
func Excess(what string, n int, option string, limit int) string {
	return fmt.Sprintf("%s: %d exceeds the limit %s of %d", what, n, option, limit)
}

// Quote writes s for a message, at most 64 bytes of it.
func Quote(s string) string {
	if len(s) > 64 {
		return fmt.Sprintf("%q...", s[:64])
	}
	return fmt.Sprintf("%q", s)
}
