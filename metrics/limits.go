package metrics

import (
	"errors"
	"fmt"
	"time"
)

// Limits bound what a tenant may write. Zero means no limit.
type Limits struct {
	// MaxAge is how far samples may lie in the past.
	MaxAge time.Duration `yaml:"max_age"`
	// MaxAhead is how far samples may lie in the future.
	MaxAhead time.Duration `yaml:"max_ahead"`
	// MaxLabels is how many labels a series may have, its name included.
	MaxLabels int `yaml:"max_labels"`
	// MaxLabelName and MaxLabelValue are lengths in bytes.
	MaxLabelName  int `yaml:"max_label_name"`
	MaxLabelValue int `yaml:"max_label_value"`
	// MaxSeries is how many series may have samples on one UTC day.
	MaxSeries int `yaml:"max_series"`
	// MaxBuckets is how many buckets a native histogram may have.
	MaxBuckets int `yaml:"max_buckets"`
}

// DefaultLimits are generous: they stop accidents, not use.
func DefaultLimits() Limits {
	return Limits{
		MaxAge:        13 * 30 * 24 * time.Hour,
		MaxAhead:      10 * time.Minute,
		MaxLabels:     128,
		MaxLabelName:  1024,
		MaxLabelValue: 4096,
		MaxSeries:     10_000_000,
		MaxBuckets:    10_000,
	}
}

// Validate reports every value that can't work.
func (l Limits) Validate() error {
	var errs []error
	for _, v := range []struct {
		knob  string
		value int64
	}{
		{"max_age", int64(l.MaxAge)}, {"max_ahead", int64(l.MaxAhead)}, {"max_labels", int64(l.MaxLabels)},
		{"max_label_name", int64(l.MaxLabelName)}, {"max_label_value", int64(l.MaxLabelValue)},
		{"max_series", int64(l.MaxSeries)}, {"max_buckets", int64(l.MaxBuckets)},
	} {
		if v.value < 0 {
			errs = append(errs, fmt.Errorf("metrics.limits.%s is %d: want 0 (no limit) or more", v.knob, v.value))
		}
	}
	return errors.Join(errs...)
}
