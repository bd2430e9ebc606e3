package self

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/watchfire/watchfire/telemetry"
)

// Config is what Watchfire stores of its own.
type Config struct {
	// Tenant is whose it is.
	Tenant string `yaml:"tenant"`
	// MetricsInterval is how often its metrics are stored; 0 = never.
	MetricsInterval time.Duration `yaml:"metrics_interval"`
	// Logs tells whether its log lines are stored, and LogLevel from which level on.
	Logs     bool       `yaml:"logs"`
	LogLevel slog.Level `yaml:"log_level"`
	// TraceRatio is the share of requests whose traces are stored, 0 to 1.
	TraceRatio float64 `yaml:"trace_ratio"`
}

// DefaultConfig stores all of it.
func DefaultConfig() Config {
	return Config{Tenant: telemetry.DefaultTenant, MetricsInterval: 15 * time.Second, Logs: true, LogLevel: slog.LevelInfo, TraceRatio: 1}
}

// Validate returns all problems.
func (c Config) Validate() error {
	var errs []error
	if c.Tenant == "" {
		errs = append(errs, errors.New("tenant: is empty: use default"))
	}
	if c.MetricsInterval != 0 && c.MetricsInterval < time.Second {
		errs = append(errs, fmt.Errorf("metrics_interval: %v is too short: use 1s or more, or 0 for never", c.MetricsInterval))
	}
	if !(c.TraceRatio >= 0 && c.TraceRatio <= 1) {
		errs = append(errs, fmt.Errorf("trace_ratio: %v is no share: use 0 to 1", c.TraceRatio))
	}
	return errors.Join(errs...)
}
