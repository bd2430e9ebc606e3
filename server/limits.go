package server

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"time"
)

// Signal is a kind of telemetry, as far as limits tell them apart.
type Signal string

// The signals.
const (
	Metrics Signal = "metrics"
	Logs    Signal = "logs"
	Traces  Signal = "traces"
	Events  Signal = "events"
)

// Rates bound what a tenant sends of a signal; 0 = unlimited.
type Rates struct {
	RequestsPerSecond float64 `yaml:"requests_per_second"`
	BytesPerSecond    float64 `yaml:"bytes_per_second"`   // unpacked
	RecordsPerSecond  float64 `yaml:"records_per_second"` // samples, lines, spans or events
}

// Limits are what one tenant may; 0 = unlimited.
type Limits struct {
	Metrics   Rates         `yaml:"metrics"`
	Logs      Rates         `yaml:"logs"`
	Traces    Rates         `yaml:"traces"`
	Events    Rates         `yaml:"events"`
	MaxSeries int64         `yaml:"max_series"` // active series of metrics
	Burst     time.Duration `yaml:"burst"`      // how long a tenant that was quiet may send without limit's pause, at its rate: the bucket holds rate x burst
}

// Override are one tenant's own limits; what is left out is the default's.
type Override struct {
	Metrics   *Rates         `yaml:"metrics,omitempty"`
	Logs      *Rates         `yaml:"logs,omitempty"`
	Traces    *Rates         `yaml:"traces,omitempty"`
	Events    *Rates         `yaml:"events,omitempty"`
	MaxSeries *int64         `yaml:"max_series,omitempty"`
	Burst     *time.Duration `yaml:"burst,omitempty"`
}

// LimitsConfig are the limits of all tenants (option server.limits).
type LimitsConfig struct {
	Default Limits              `yaml:"default"`
	Tenants map[string]Override `yaml:"tenants"`
}

// DefaultLimitsConfig limits nothing but the number of series: a mistaken label
// is the usual way to overload a metrics store.
func DefaultLimitsConfig() LimitsConfig {
	return LimitsConfig{Default: Limits{MaxSeries: 10_000_000, Burst: 10 * time.Second}}
}

// Validate checks the limits and reports all problems.
func (c LimitsConfig) Validate() error {
	errs := []error{c.Default.validate("default")}
	for name := range c.Tenants {
		if _, err := ParseTenant(name); err != nil {
			errs = append(errs, fmt.Errorf("tenants: %w", err))
		}
		errs = append(errs, c.For(name).validate("tenants."+name))
	}
	return errors.Join(errs...)
}

func (l Limits) validate(at string) error {
	var errs []error
	for _, s := range []Signal{Metrics, Logs, Traces, Events} {
		r := l.rates(s)
		for _, v := range []struct {
			key   string
			value float64
		}{{"requests_per_second", r.RequestsPerSecond}, {"bytes_per_second", r.BytesPerSecond}, {"records_per_second", r.RecordsPerSecond}} {
			if v.value < 0 || math.IsNaN(v.value) || math.IsInf(v.value, 0) {
				errs = append(errs, fmt.Errorf("%s.%s.%s is %v: use 0 for unlimited, or a rate", at, s, v.key, v.value))
			}
		}
	}
	if l.MaxSeries < 0 {
		errs = append(errs, fmt.Errorf("%s.max_series is %d: use 0 for unlimited, or a number of series", at, l.MaxSeries))
	}
	if l.Burst < time.Second || l.Burst > time.Hour {
		errs = append(errs, fmt.Errorf("%s.burst is %s: use 1s to 1h", at, l.Burst))
	}
	return errors.Join(errs...)
}

// For are the limits of the tenant.
func (c LimitsConfig) For(tenant string) Limits {
	l := c.Default
	o, ok := c.Tenants[tenant]
	if !ok {
		return l
	}
	override(&l.Metrics, o.Metrics)
	override(&l.Logs, o.Logs)
	override(&l.Traces, o.Traces)
	override(&l.Events, o.Events)
	override(&l.MaxSeries, o.MaxSeries)
	override(&l.Burst, o.Burst)
	return l
}

func override[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

func (l Limits) rates(s Signal) Rates {
	switch s {
	case Metrics:
		return l.Metrics
	case Logs:
		return l.Logs
	case Traces:
		return l.Traces
	}
	return l.Events
}

// TooManySeries is the 429 of a tenant that would have more active series than
// its MaxSeries. It may come again: series end.
func (l Limits) TooManySeries(tenant string) error {
	return TooMany(time.Minute, "tenant %q has %d active series, its limit (max_series): drop labels with many values, or raise %s", tenant, l.MaxSeries, optionFor(tenant, "max_series"))
}

// optionFor names the option that raises a limit of the tenant.
func optionFor(tenant, key string) string {
	return fmt.Sprintf("server.limits.tenants.%s.%s or server.limits.default.%s", tenant, key, key)
}

// limitError is the 429 of a rate.
func limitError(tenant string, s Signal, b bucketName, rate float64, wait time.Duration) error {
	key := fmt.Sprintf("%s.%s", s, b.key())
	return &Error{Status: http.StatusTooManyRequests, Reason: ReasonTooMany, RetryAfter: wait,
		Message: fmt.Sprintf("tenant %q sends more than %.10g %s of %s per second, its limit (%s): send again in %s, or raise %s", tenant, rate, b, s, b.key(), wait.Round(time.Millisecond), optionFor(tenant, key))}
}
