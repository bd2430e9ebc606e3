package events

import (
	"errors"
	"fmt"
	"time"

	"github.com/watchfire/watchfire/storage/batch"
)

// Config is the room's part of the configuration.
type Config struct {
	// Limits of tenants that have none of their own.
	Limits Limits       `yaml:"limits"`
	Batch  batch.Config `yaml:"batch"`
	Query  QueryConfig  `yaml:"query"`
}

// Limits bound what a tenant may write. Zero means no limit.
type Limits struct {
	// MaxAge is how far a time may lie in the past, MaxAhead how far in the
	// future.
	MaxAge   time.Duration `yaml:"max_age"`
	MaxAhead time.Duration `yaml:"max_ahead"`
	// MaxText is the length of a text in bytes: a message, a name, an
	// attribute.
	MaxText int `yaml:"max_text"`
	// MaxObject is the length of an object's JSON, and of a change's before
	// and after, in bytes.
	MaxObject int `yaml:"max_object"`
	// MaxAttributes is how many attributes an event may have.
	MaxAttributes int `yaml:"max_attributes"`
}

// QueryConfig bounds what one query may cost. Zero means no limit.
type QueryConfig struct {
	Timeout     time.Duration `yaml:"timeout"`
	MaxRowsRead uint64        `yaml:"max_rows_read"`
	MaxMemory   uint64        `yaml:"max_memory"` // bytes of ClickHouse's memory
	// MaxResults is the largest limit that a query may ask for. Always limited.
	MaxResults int `yaml:"max_results"`
	// Lookback is the range of a query that names none.
	Lookback time.Duration `yaml:"lookback"`
}

// DefaultConfig suits one node.
func DefaultConfig() Config {
	b := batch.DefaultConfig()
	b.MaxRows, b.MaxBytes, b.MaxPendingBytes = 50_000, 8<<20, 32<<20
	return Config{
		Limits: Limits{MaxAge: 90 * 24 * time.Hour, MaxAhead: 10 * time.Minute, MaxText: 64 << 10, MaxObject: 2 << 20, MaxAttributes: 256},
		Batch:  b,
		Query:  QueryConfig{Timeout: 30 * time.Second, MaxMemory: 2 << 30, MaxResults: 10_000, Lookback: time.Hour},
	}
}

// Validate reports every value that can't work.
func (c Config) Validate() error {
	errs := []error{c.Batch.Validate()}
	check := func(knob string, ok bool, value any, want string) {
		if !ok {
			errs = append(errs, fmt.Errorf("events.%s is %v: want %s", knob, value, want))
		}
	}
	check("limits.max_age", c.Limits.MaxAge >= 0, c.Limits.MaxAge, "0 (no limit) or more")
	check("limits.max_ahead", c.Limits.MaxAhead >= 0, c.Limits.MaxAhead, "0 (no limit) or more")
	check("limits.max_text", c.Limits.MaxText >= 0, c.Limits.MaxText, "0 (no limit) or more")
	check("limits.max_object", c.Limits.MaxObject >= 0, c.Limits.MaxObject, "0 (no limit) or more")
	check("limits.max_attributes", c.Limits.MaxAttributes >= 0, c.Limits.MaxAttributes, "0 (no limit) or more")
	check("query.timeout", c.Query.Timeout >= 0, c.Query.Timeout, "0 (no limit) or more")
	check("query.max_results", c.Query.MaxResults > 0, c.Query.MaxResults, "more than 0")
	check("query.lookback", c.Query.Lookback > 0, c.Query.Lookback, "more than 0")
	return errors.Join(errs...)
}
