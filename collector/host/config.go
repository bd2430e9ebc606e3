package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/hostmetricsreceiver"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/watchfire/watchfire/collector/embed"
	"github.com/watchfire/watchfire/telemetry"
)

// Names under which the machine's metrics are stored.
const (
	NamesOTel         = "otel"          // system_cpu_time_seconds_total, …
	NamesNodeExporter = "node_exporter" // node_cpu_seconds_total, …
	NamesNone         = "none"          // not at all
)

// Sources of the machine's logs.
const (
	LogsAuto    = "auto"    // the journal when it can be read, else files
	LogsJournal = "journal" // systemd's journal, by journalctl
	LogsFiles   = "files"   // files below /var/log
	LogsNone    = "none"    // not at all
)

// Config is what is watched of this machine.
type Config struct {
	// Tenant is whose the telemetry is.
	Tenant  string        `yaml:"tenant"`
	Metrics MetricsConfig `yaml:"metrics"`
	Logs    LogsConfig    `yaml:"logs"`
}

// MetricsConfig is about the machine's metrics.
type MetricsConfig struct {
	// Names is otel, node_exporter or none; never both, since they say the same.
	Names    string        `yaml:"names"`
	Interval time.Duration `yaml:"interval"`
	// Scrapers configures OpenTelemetry's scrapers, as under scrapers in the
	// host metrics receiver's configuration. Empty = the default ones.
	Scrapers map[string]any `yaml:"scrapers"`
	// RootPath is where the machine's root is mounted, when this runs in a container.
	RootPath string `yaml:"root_path"`
	// NodeExporterFlags are node_exporter's own flags, such as --collector.systemd.
	NodeExporterFlags []string `yaml:"node_exporter_flags"`
}

// LogsConfig is about the machine's logs.
type LogsConfig struct {
	// Source is auto, journal, files or none.
	Source string `yaml:"source"`
	// Include and Exclude are patterns of files, for source files.
	Include []string `yaml:"include"`
	Exclude []string `yaml:"exclude"`
}

// DefaultConfig watches everything under OpenTelemetry's names.
func DefaultConfig() Config {
	return Config{
		Tenant:  telemetry.DefaultTenant,
		Metrics: MetricsConfig{Names: NamesOTel, Interval: 15 * time.Second},
		Logs: LogsConfig{
			Source:  LogsAuto,
			Include: []string{"/var/log/*.log", "/var/log/syslog", "/var/log/messages", "/var/log/*/*.log"},
			Exclude: []string{"/var/log/journal/**", "/var/log/pods/**", "/var/log/containers/**"},
		},
	}
}

// Validate returns all problems.
func (c Config) Validate() error {
	var errs []error
	if c.Tenant == "" {
		errs = append(errs, errors.New("tenant: is empty: use default"))
	}
	switch c.Metrics.Names {
	case NamesOTel:
		if err := embed.Check(embed.Options{
			Factory: hostmetricsreceiver.NewFactory(), Settings: c.Metrics.settings(),
			Metrics: func(context.Context, pmetric.Metrics) error { return nil },
		}); err != nil {
			errs = append(errs, fmt.Errorf("metrics.scrapers: %w", err))
		}
	case NamesNodeExporter, NamesNone:
	default:
		errs = append(errs, fmt.Errorf("metrics.names: %q is unknown: use otel, node_exporter or none", c.Metrics.Names))
	}
	if c.Metrics.Interval < time.Second {
		errs = append(errs, fmt.Errorf("metrics.interval: %v is too short: use 1s or more", c.Metrics.Interval))
	}
	switch c.Logs.Source {
	case LogsAuto, LogsFiles:
		if len(c.Logs.Include) == 0 {
			errs = append(errs, fmt.Errorf("logs.include: is empty: name files, or set collector.host.logs.source to journal or none"))
		}
	case LogsJournal, LogsNone:
	default:
		errs = append(errs, fmt.Errorf("logs.source: %q is unknown: use auto, journal, files or none", c.Logs.Source))
	}
	return errors.Join(errs...)
}

// settings are the host metrics receiver's.
func (c MetricsConfig) settings() map[string]any {
	scrapers := c.Scrapers
	if len(scrapers) == 0 {
		scrapers = defaultScrapers()
	}
	return map[string]any{
		"collection_interval": c.Interval.String(),
		"initial_delay":       "100ms",
		"root_path":           c.RootPath,
		"scrapers":            scrapers,
	}
}

// defaultScrapers are all but the one of single processes, with the ratios
// that dashboards and rules want.
func defaultScrapers() map[string]any {
	enabled := func(metrics ...string) map[string]any {
		m := map[string]any{}
		for _, name := range metrics {
			m[name] = map[string]any{"enabled": true}
		}
		return map[string]any{"metrics": m}
	}
	return map[string]any{
		"cpu":        enabled("system.cpu.utilization", "system.cpu.logical.count"),
		"memory":     enabled("system.memory.utilization", "system.memory.limit", "system.linux.memory.available"),
		"load":       nil,
		"disk":       nil,
		"filesystem": enabled("system.filesystem.utilization"),
		"network":    nil,
		"processes":  nil,
		"paging":     enabled("system.paging.utilization"),
		"system":     nil,
	}
}
