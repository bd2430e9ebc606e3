package traces

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
	// KnownResources is how many resources the writer remembers as stored,
	// some 50 bytes each; those beyond are stored again.
	KnownResources int          `yaml:"known_resources"`
	Batch          batch.Config `yaml:"batch"`
	Query          QueryConfig  `yaml:"query"`
}

// QueryConfig bounds what one query may cost. Zero means no limit, unless a
// field says otherwise.
type QueryConfig struct {
	Timeout     time.Duration `yaml:"timeout"`
	MaxRowsRead uint64        `yaml:"max_rows_read"`
	MaxMemory   uint64        `yaml:"max_memory"` // bytes of ClickHouse's memory
	// MaxSpans is how many spans of a trace are returned; the answer says that
	// it is cut. Always limited.
	MaxSpans int `yaml:"max_spans"`
	// MaxTraces is the largest limit that a search may ask for. Always limited.
	MaxTraces int `yaml:"max_traces"`
	// MaxCandidates is how many traces a search may load to decide what SQL
	// alone can't, such as structural operators. Always limited.
	MaxCandidates int `yaml:"max_candidates"`
	// MaxValues is how many tag names or values are returned. Always limited.
	MaxValues int `yaml:"max_values"`
	// Lookback is the range of a search or listing that names none.
	Lookback time.Duration `yaml:"lookback"`
	// MaxRange is the longest time range of a search.
	MaxRange time.Duration `yaml:"max_range"`
}

// DefaultConfig suits one node.
func DefaultConfig() Config {
	return Config{
		Limits:         DefaultLimits(),
		KnownResources: 200_000,
		Batch:          batch.DefaultConfig(),
		Query: QueryConfig{
			Timeout:       time.Minute,
			MaxMemory:     4 << 30,
			MaxSpans:      100_000,
			MaxTraces:     2_000,
			MaxCandidates: 20_000,
			MaxValues:     5_000,
			Lookback:      time.Hour,
		},
	}
}

// Validate reports every value that can't work.
func (c Config) Validate() error {
	errs := []error{c.Limits.Validate(), c.Batch.Validate(), c.Query.Validate()}
	if c.KnownResources <= 0 {
		errs = append(errs, fmt.Errorf("traces.known_resources is %d: want more than 0", c.KnownResources))
	}
	return errors.Join(errs...)
}

// Validate reports every value that can't work.
func (c QueryConfig) Validate() error {
	var errs []error
	check := func(knob string, ok bool, value any, want string) {
		if !ok {
			errs = append(errs, fmt.Errorf("traces.query.%s is %v: want %s", knob, value, want))
		}
	}
	check("timeout", c.Timeout >= 0, c.Timeout, "0 (no limit) or more")
	check("max_spans", c.MaxSpans > 0, c.MaxSpans, "more than 0")
	check("max_traces", c.MaxTraces > 0, c.MaxTraces, "more than 0")
	check("max_candidates", c.MaxCandidates > 0, c.MaxCandidates, "more than 0")
	check("max_values", c.MaxValues > 0, c.MaxValues, "more than 0")
	check("lookback", c.Lookback > 0, c.Lookback, "more than 0")
	check("max_range", c.MaxRange >= 0, c.MaxRange, "0 (no limit) or more")
	return errors.Join(errs...)
}
