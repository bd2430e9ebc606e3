package logs

import (
	"errors"
	"fmt"
	"time"

	"github.com/watchfire/watchfire/storage/batch"
	"github.com/watchfire/watchfire/telemetry"
)

// Config is the room's part of the configuration.
type Config struct {
	// Limits of tenants that have none of their own.
	Limits Limits       `yaml:"limits"`
	Batch  batch.Config `yaml:"batch"`
	Query  QueryConfig  `yaml:"query"`
	Tail   TailConfig   `yaml:"tail"`
}

// QueryConfig bounds what one query may cost. Zero means no limit, unless the
// field says otherwise.
type QueryConfig struct {
	Timeout     time.Duration `yaml:"timeout"`       // must be positive
	MaxEntries  int           `yaml:"max_entries"`   // lines in an answer
	MaxSeries   int           `yaml:"max_series"`    // series in an answer; must be positive
	MaxStreams  int           `yaml:"max_streams"`   // streams that one selector may select
	MaxRange    time.Duration `yaml:"max_range"`     // from start to end
	MaxRowsRead uint64        `yaml:"max_rows_read"` // by one statement
	MaxMemory   uint64        `yaml:"max_memory"`    // bytes of ClickHouse's memory
	Concurrent  int           `yaml:"concurrent"`    // queries at once; must be positive
	Slow        time.Duration `yaml:"slow"`          // longer queries are logged, 0 logs none
}

// TailConfig bounds the live tail.
type TailConfig struct {
	MaxClients int `yaml:"max_clients"` // tails at once
	// Buffer is how many pushes may wait for a tail that reads slowly; those
	// beyond are dropped and the client is told.
	Buffer   int           `yaml:"buffer"`
	MaxDelay time.Duration `yaml:"max_delay"` // the largest delay_for
}

// DefaultConfig suits one node.
func DefaultConfig() Config {
	b := batch.DefaultConfig()
	b.MaxBytes, b.MaxPendingBytes = 32<<20, 128<<20
	return Config{Limits: DefaultLimits(), Batch: b, Query: DefaultQueryConfig(), Tail: DefaultTailConfig()}
}

// DefaultQueryConfig has Loki's defaults where it has the same limit.
func DefaultQueryConfig() QueryConfig {
	return QueryConfig{
		Timeout:    time.Minute,
		MaxEntries: 5000,
		MaxSeries:  500,
		MaxStreams: 100_000,
		MaxRange:   721 * time.Hour,
		Concurrent: 16,
		Slow:       10 * time.Second,
	}
}

// DefaultTailConfig has Loki's defaults where it has the same limit.
func DefaultTailConfig() TailConfig {
	return TailConfig{MaxClients: 50, Buffer: 256, MaxDelay: 5 * time.Second}
}

// Validate reports every value that can't work.
func (c Config) Validate() error {
	return errors.Join(c.Limits.Validate(), c.Batch.Validate(), c.Query.Validate(), c.Tail.Validate())
}

// Validate reports every value that can't work.
func (c QueryConfig) Validate() error {
	var errs []error
	check := func(knob string, ok bool, value any, want string) {
		if !ok {
			errs = append(errs, fmt.Errorf("logs.query.%s is %v: want %s", knob, value, want))
		}
	}
	check("timeout", c.Timeout > 0, c.Timeout, "more than 0")
	check("max_entries", c.MaxEntries >= 0, c.MaxEntries, "0 (no limit) or more")
	check("max_series", c.MaxSeries > 0, c.MaxSeries, "more than 0")
	check("max_streams", c.MaxStreams >= 0, c.MaxStreams, "0 (no limit) or more")
	check("max_range", c.MaxRange >= 0, c.MaxRange, "0 (no limit) or more")
	check("concurrent", c.Concurrent > 0, c.Concurrent, "more than 0")
	check("slow", c.Slow >= 0, c.Slow, "0 (log none) or more")
	return errors.Join(errs...)
}

// Validate reports every value that can't work.
func (c TailConfig) Validate() error {
	var errs []error
	if c.MaxClients < 1 {
		errs = append(errs, fmt.Errorf("logs.tail.max_clients is %d: want more than 0", c.MaxClients))
	}
	if c.Buffer < 1 {
		errs = append(errs, fmt.Errorf("logs.tail.buffer is %d: want more than 0", c.Buffer))
	}
	if c.MaxDelay < 0 {
		errs = append(errs, fmt.Errorf("logs.tail.max_delay is %s: want 0 or more", c.MaxDelay))
	}
	return errors.Join(errs...)
}

// identity is used when no table is given.
var identity = telemetry.DefaultIdentity()
