package otlp

import (
	"errors"
	"fmt"
	"time"
)

// Config is how OTLP is received.
type Config struct {
	// NativeHistograms turns histograms with explicit buckets into native
	// histograms with custom buckets, instead of the classic _bucket series.
	NativeHistograms bool `yaml:"native_histograms"`
	// PromoteScope adds otel_scope_name, _version and attributes to metrics' labels.
	PromoteScope bool `yaml:"promote_scope"`
	// Delta bounds the memory for summing up delta points.
	Delta DeltaConfig `yaml:"delta"`
}

// DeltaConfig bounds what is remembered of series that come as deltas.
type DeltaConfig struct {
	// MaxSeries bounds the series of a tenant; points of further ones are refused.
	MaxSeries int `yaml:"max_series"`
	// MaxIdle is how long a series is remembered after its last point. A point
	// that comes later begins a new sum, which reads as a counter reset.
	MaxIdle time.Duration `yaml:"max_idle"`
}

// DefaultConfig is Prometheus' way of translation.
func DefaultConfig() Config {
	return Config{Delta: DeltaConfig{MaxSeries: 100_000, MaxIdle: time.Hour}}
}

// Validate returns all problems.
func (c Config) Validate() error {
	var errs []error
	if c.Delta.MaxSeries < 0 {
		errs = append(errs, fmt.Errorf("delta.max_series: %d is negative: use 0 to refuse delta points", c.Delta.MaxSeries))
	}
	if c.Delta.MaxIdle <= 0 {
		errs = append(errs, fmt.Errorf("delta.max_idle: %v is not positive: use a duration such as 1h", c.Delta.MaxIdle))
	}
	return errors.Join(errs...)
}
