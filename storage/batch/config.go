package batch

import (
	"errors"
	"fmt"
	"time"
)

// Config bounds the batches of one table. The zero value is not usable, see
// DefaultConfig.
type Config struct {
	// Slots is how many inserts may be under way at once.
	Slots int `yaml:"slots"`
	// MaxRows and MaxBytes (of columns, uncompressed) close a batch. One Add
	// is never split: a batch may exceed both by its last Add.
	MaxRows  int `yaml:"max_rows"`
	MaxBytes int `yaml:"max_bytes"`
	// MaxPendingBytes bounds what is gathered or being inserted. At the bound
	// Add blocks. It may be exceeded by one Add.
	MaxPendingBytes int `yaml:"max_pending_bytes"`
	// Linger is how long the first row of a batch waits for company when
	// nothing else is going on. Zero inserts at once.
	Linger time.Duration `yaml:"linger"`
	// Duty is the share of time, in (0, 1], that a table may spend inserting
	// batches that are not full: after an insert that took d, the next small
	// batch waits for d*(1/Duty-1). It spares ClickHouse many small parts, the
	// more the slower it is. One never waits.
	Duty float64 `yaml:"duty"`
	// MaxDelay is the longest that a batch is held for Linger and Duty; later
	// it only waits for a slot.
	MaxDelay time.Duration `yaml:"max_delay"`
	// InsertTimeout bounds one attempt, RetryTimeout all attempts of a batch;
	// then its writers get the error, and are to send again.
	InsertTimeout time.Duration `yaml:"insert_timeout"`
	RetryTimeout  time.Duration `yaml:"retry_timeout"`
	// DrainTimeout is how long Run goes on inserting after its context ended.
	DrainTimeout time.Duration `yaml:"drain_timeout"`
}

// DefaultConfig suits one table of a busy signal.
func DefaultConfig() Config {
	return Config{
		Slots:           2,
		MaxRows:         200_000,
		MaxBytes:        16 << 20,
		MaxPendingBytes: 64 << 20,
		Linger:          2 * time.Millisecond,
		Duty:            0.25,
		MaxDelay:        time.Second,
		InsertTimeout:   30 * time.Second,
		RetryTimeout:    30 * time.Second,
		DrainTimeout:    15 * time.Second,
	}
}

// Validate reports every value that can't work.
func (c Config) Validate() error {
	var errs []error
	positive := func(knob string, v int64) {
		if v <= 0 {
			errs = append(errs, fmt.Errorf("%s must be positive, got %d", knob, v))
		}
	}
	positive("slots", int64(c.Slots))
	positive("max_rows", int64(c.MaxRows))
	positive("max_bytes", int64(c.MaxBytes))
	positive("max_delay", int64(c.MaxDelay))
	positive("insert_timeout", int64(c.InsertTimeout))
	positive("retry_timeout", int64(c.RetryTimeout))
	positive("drain_timeout", int64(c.DrainTimeout))
	if c.MaxPendingBytes < c.MaxBytes {
		errs = append(errs, fmt.Errorf("max_pending_bytes must be at least max_bytes (%d), got %d", c.MaxBytes, c.MaxPendingBytes))
	}
	if c.Linger < 0 || c.Linger > c.MaxDelay {
		errs = append(errs, fmt.Errorf("linger must be between 0 and max_delay (%s), got %s", c.MaxDelay, c.Linger))
	}
	if !(c.Duty > 0 && c.Duty <= 1) {
		errs = append(errs, fmt.Errorf("duty must be above 0 and at most 1, got %v", c.Duty))
	}
	return errors.Join(errs...)
}
