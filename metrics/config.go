package metrics

import (
	"errors"
	"fmt"
	"time"

	"github.com/watchfire/watchfire/storage/batch"
)

// Config is the room's part of the configuration.
type Config struct {
	// Limits of tenants that have none of their own.
	Limits Limits `yaml:"limits"`
	// KnownSeries is how many series the writer remembers as registered, some
	// 70 bytes each; those beyond are registered again and again.
	KnownSeries int          `yaml:"known_series"`
	Batch       batch.Config `yaml:"batch"`
	Query       QueryConfig  `yaml:"query"`
}

// QueryConfig bounds what one query may cost. Zero means no limit.
type QueryConfig struct {
	Timeout    time.Duration `yaml:"timeout"`
	MaxSamples int           `yaml:"max_samples"` // held in memory by one query
	MaxSeries  int           `yaml:"max_series"`  // selected by one selector
	MaxMemory  uint64        `yaml:"max_memory"`  // bytes of ClickHouse's memory
	// Lookback is how long a sample counts as current, when no stale marker
	// ends it.
	Lookback time.Duration `yaml:"lookback"`
	// CachedSeries is how many series are remembered from one lookup to the
	// next, some 300 bytes each.
	CachedSeries int `yaml:"cached_series"`
	// Concurrent is how many queries run at once; others wait.
	Concurrent int `yaml:"concurrent"`
	// Slow is the duration from which a query is logged; 0 logs none.
	Slow time.Duration `yaml:"slow"`
}

// DefaultConfig suits one node.
func DefaultConfig() Config {
	b := batch.DefaultConfig()
	b.MaxRows, b.MaxBytes, b.MaxPendingBytes = 500_000, 32<<20, 128<<20
	return Config{
		Limits:      DefaultLimits(),
		KnownSeries: 4_000_000,
		Batch:       b,
		Query:       DefaultQueryConfig(),
	}
}

// DefaultQueryConfig has Prometheus' defaults where it has the same limit.
func DefaultQueryConfig() QueryConfig {
	return QueryConfig{
		Timeout:    2 * time.Minute,
		MaxSamples: 50_000_000,
		MaxSeries:  1_000_000,
		Lookback:   5 * time.Minute,

		CachedSeries: 300_000,
		Concurrent:   20,
		Slow:         10 * time.Second,
	}
}

// Validate reports every value that can't work.
func (c Config) Validate() error {
	errs := []error{c.Limits.Validate(), c.Batch.Validate(), c.Query.Validate()}
	if c.KnownSeries <= 0 {
		errs = append(errs, fmt.Errorf("metrics.known_series is %d: want more than 0", c.KnownSeries))
	}
	return errors.Join(errs...)
}

// Validate reports every value that can't work.
func (c QueryConfig) Validate() error {
	var errs []error
	check := func(knob string, ok bool, value any, want string) {
		if !ok {
			errs = append(errs, fmt.Errorf("metrics.query.%s is %v: want %s", knob, value, want))
		}
	}
	check("timeout", c.Timeout > 0, c.Timeout, "more than 0")
	check("max_samples", c.MaxSamples > 0, c.MaxSamples, "more than 0")
	check("max_series", c.MaxSeries >= 0, c.MaxSeries, "0 (no limit) or more")
	check("lookback", c.Lookback > 0, c.Lookback, "more than 0")
	check("concurrent", c.Concurrent > 0, c.Concurrent, "more than 0")
	check("slow", c.Slow >= 0, c.Slow, "0 (log none) or more")
	return errors.Join(errs...)
}
