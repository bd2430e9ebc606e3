package eval

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/prometheus/common/model"
)

// Config says how rules are evaluated.
type Config struct {
	Interval          model.Duration `yaml:"interval"`           // of groups that set none
	QueryTimeout      model.Duration `yaml:"query_timeout"`      // of one query
	Concurrency       int            `yaml:"concurrency"`        // queries at once
	SlowAfter         model.Duration `yaml:"slow_after"`         // a rule whose queries took this long runs in the slow lane
	SlowConcurrency   int            `yaml:"slow_concurrency"`   // queries at once in the slow lane, apart from concurrency
	MaxSeries         int            `yaml:"max_series"`         // that one query of a rule may give
	WatermarkWait     model.Duration `yaml:"watermark_wait"`     // how long late data are waited for
	ResendDelay       model.Duration `yaml:"resend_delay"`       // between notifications of an alert that did not change
	ResolvedRetention model.Duration `yaml:"resolved_retention"` // how long the end of an alert is sent again
	OutageTolerance   model.Duration `yaml:"outage_tolerance"`   // a gap in evaluation after which `for` begins anew
	LeaseTTL          model.Duration `yaml:"lease_ttl"`          // a dead evaluator is replaced after this
}

// DefaultConfig is right for most.
func DefaultConfig() Config {
	s := model.Duration(time.Second)
	return Config{
		Interval: 15 * s, QueryTimeout: 30 * s,
		Concurrency: max(4, 2*runtime.GOMAXPROCS(0)), SlowAfter: 2 * s, SlowConcurrency: 2, MaxSeries: 200_000,
		WatermarkWait: 10 * s, ResendDelay: 60 * s, ResolvedRetention: 900 * s,
		OutageTolerance: 3600 * s, LeaseTTL: 15 * s,
	}
}

// Validate names everything that is wrong.
func (c Config) Validate() error {
	var errs []error
	positive := func(key string, d model.Duration) {
		if d <= 0 {
			errs = append(errs, fmt.Errorf("%s: %s must be more than 0", key, d))
		}
	}
	positive("interval", c.Interval)
	positive("query_timeout", c.QueryTimeout)
	positive("slow_after", c.SlowAfter)
	positive("resend_delay", c.ResendDelay)
	positive("resolved_retention", c.ResolvedRetention)
	positive("outage_tolerance", c.OutageTolerance)
	if time.Duration(c.LeaseTTL) < time.Second {
		errs = append(errs, fmt.Errorf("lease_ttl: %s must be at least 1s", c.LeaseTTL))
	}
	if c.WatermarkWait < 0 {
		errs = append(errs, fmt.Errorf("watermark_wait: %s must not be negative", c.WatermarkWait))
	}
	if c.Concurrency < 1 {
		errs = append(errs, fmt.Errorf("concurrency: %d must be at least 1", c.Concurrency))
	}
	if c.MaxSeries < 1 {
		errs = append(errs, fmt.Errorf("max_series: %d must be at least 1", c.MaxSeries))
	}
	if c.SlowConcurrency < 1 {
		errs = append(errs, fmt.Errorf("slow_concurrency: %d must be at least 1", c.SlowConcurrency))
	}
	return errors.Join(errs...)
}
