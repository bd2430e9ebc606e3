package sources

import (
	"errors"
	"fmt"

	"github.com/watchfire/watchfire/collector/files"
	"github.com/watchfire/watchfire/collector/host"
	"github.com/watchfire/watchfire/collector/legacy"
	"github.com/watchfire/watchfire/collector/scrape"
	"github.com/watchfire/watchfire/collector/self"
	"github.com/watchfire/watchfire/collector/syslog"
)

// Config is all of it. cmd puts its fields beside those of the protocols,
// under collector.
type Config struct {
	Host   host.Config     `yaml:"host"`
	Files  []files.Config  `yaml:"files"`
	Syslog []syslog.Config `yaml:"syslog"`
	Traces legacy.Config   `yaml:"traces"`
	Scrape scrape.Config   `yaml:"scrape"`
	Self   self.Config     `yaml:"self"`
}

// DefaultConfig watches this machine and Watchfire itself.
func DefaultConfig() Config {
	return Config{Host: host.DefaultConfig(), Self: self.DefaultConfig()}
}

// Validate returns all problems, each beginning with its place.
func (c Config) Validate() error {
	errs := []error{
		under("host", c.Host.Validate()), under("traces", c.Traces.Validate()),
		under("scrape", c.Scrape.Validate()), under("self", c.Self.Validate()),
	}
	names := map[string]int{"host": -1} // the name of this machine's own set
	for i, f := range c.Files {
		at := fmt.Sprintf("files[%d]", i)
		errs = append(errs, under(at, f.Validate()))
		if _, twice := names[f.Name]; twice && f.Name != "" {
			errs = append(errs, fmt.Errorf("%s.name: %q is in use already: positions are remembered by name", at, f.Name))
		}
		names[f.Name] = i
	}
	for i, s := range c.Syslog {
		errs = append(errs, under(fmt.Sprintf("syslog[%d]", i), s.Validate()))
	}
	return errors.Join(errs...)
}

// under puts a place before each of the errors that err joins.
func under(place string, err error) error {
	if err == nil {
		return nil
	}
	many, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return fmt.Errorf("%s.%w", place, err)
	}
	var out []error
	for _, e := range many.Unwrap() {
		out = append(out, under(place, e))
	}
	return errors.Join(out...)
}
