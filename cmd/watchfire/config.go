package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/watchfire/watchfire/alerting"
	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/collector/loki"
	"github.com/watchfire/watchfire/collector/otlp"
	"github.com/watchfire/watchfire/collector/sources"
	"github.com/watchfire/watchfire/events"
	"github.com/watchfire/watchfire/logs"
	"github.com/watchfire/watchfire/metrics"
	"github.com/watchfire/watchfire/server"
	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/storage/batch"
	"github.com/watchfire/watchfire/storage/engine"
	"github.com/watchfire/watchfire/telemetry"
	"github.com/watchfire/watchfire/traces"
)

// config is the whole configuration: each room's own, composed.
type config struct {
	// Data is the folder of everything that is kept on this machine.
	Data      string                  `yaml:"data"`
	Log       logConfig               `yaml:"log"`
	Server    server.Config           `yaml:"server"`
	Storage   storageConfig           `yaml:"storage"`
	Identity  telemetry.IdentityTable `yaml:"identity"`
	Metrics   metrics.Config          `yaml:"metrics"`
	Logs      logs.Config             `yaml:"logs"`
	Traces    traces.Config           `yaml:"traces"`
	Events    events.Config           `yaml:"events"`
	Collector collectorConfig         `yaml:"collector"`
	Alerting  alerting.Config         `yaml:"alerting"`
}

type logConfig struct {
	Level  slog.Level `yaml:"level"`  // debug, info, warn, error
	Format string     `yaml:"format"` // text or json
}

type storageConfig struct {
	// DSN of a ClickHouse server or cluster; empty runs the embedded engine.
	DSN string `yaml:"dsn"`
	// Cluster names the ClickHouse cluster that tables are made on; empty is
	// one server.
	Cluster string            `yaml:"cluster"`
	Engine  engine.Config     `yaml:"engine"`
	Spool   batch.SpoolConfig `yaml:"spool"`
	// Records is where small mutable state lives: sqlite:PATH or postgres://…;
	// empty is a SQLite file in the data folder.
	Records   string          `yaml:"records"`
	Retention retentionConfig `yaml:"retention"`
}

// retentionConfig is how long each signal is kept.
type retentionConfig struct {
	Metrics storage.Retention `yaml:"metrics"`
	Logs    storage.Retention `yaml:"logs"`
	Traces  storage.Retention `yaml:"traces"`
	Events  storage.Retention `yaml:"events"`
}

type collectorConfig struct {
	Limits collector.Limits `yaml:"limits"`
	OTLP   otlp.Config      `yaml:"otlp"`
	Loki   loki.Config      `yaml:"loki"`

	sources.Config `yaml:",inline"`
}

const day = model.Duration(24 * time.Hour)

func defaultConfig() config {
	return config{
		Data:     "data",
		Log:      logConfig{Level: slog.LevelInfo, Format: "text"},
		Server:   server.DefaultConfig(),
		Identity: telemetry.DefaultIdentity(),
		Storage: storageConfig{
			Engine: engine.DefaultConfig(),
			Spool:  batch.DefaultSpoolConfig(),
			Retention: retentionConfig{
				Metrics: storage.Retention{Default: 90 * day},
				Logs:    storage.Retention{Default: 30 * day},
				Traces:  storage.Retention{Default: 14 * day},
				Events:  storage.Retention{Default: 365 * day},
			},
		},
		Metrics: metrics.DefaultConfig(),
		Logs:    logs.DefaultConfig(),
		Traces:  traces.DefaultConfig(),
		Collector: collectorConfig{
			Limits: collector.DefaultLimits(),
			OTLP:   otlp.DefaultConfig(),
			Loki:   loki.DefaultConfig(),
			Config: sources.DefaultConfig(),
		},
		Events:   events.DefaultConfig(),
		Alerting: alerting.DefaultConfig(),
	}
}

// finish fills in what depends on other options.
func (c *config) finish() {
	if c.Storage.Engine.Data == "" {
		c.Storage.Engine.Data = filepath.Join(c.Data, "engine")
	}
	if c.Storage.Spool.Dir == "" {
		c.Storage.Spool.Dir = filepath.Join(c.Data, "spool")
	}
	if c.Storage.Records == "" {
		c.Storage.Records = "sqlite:" + filepath.Join(c.Data, "records.sqlite")
	}
}

// validate tells everything that is wrong, each error beginning with the path
// of its option.
func (c config) validate() error {
	var errs []error
	if c.Data == "" {
		errs = append(errs, errors.New("data: is empty: name a folder"))
	}
	if c.Log.Format != "text" && c.Log.Format != "json" {
		errs = append(errs, fmt.Errorf("log.format: %q is neither text nor json", c.Log.Format))
	}
	r := c.Storage.Retention
	errs = append(errs,
		under("server", c.Server.Validate()),
		under("storage.spool", c.Storage.Spool.Validate()),
		under("storage.retention.metrics", r.Metrics.Validate()),
		under("storage.retention.logs", r.Logs.Validate()),
		under("storage.retention.traces", r.Traces.Validate()),
		under("storage.retention.events", r.Events.Validate()),
		under("metrics", c.Metrics.Validate()),
		under("logs", c.Logs.Validate()),
		under("traces", c.Traces.Validate()),
		under("collector.limits", c.Collector.Limits.Validate()),
		under("collector.otlp", c.Collector.OTLP.Validate()),
		under("collector.loki", c.Collector.Loki.Validate()),
		under("collector", c.Collector.Config.Validate()),
		under("events", c.Events.Validate()),
		under("alerting", c.Alerting.Validate()),
	)
	if c.Storage.DSN == "" {
		errs = append(errs, under("storage.engine", c.Storage.Engine.Validate()))
	}
	return errors.Join(errs...)
}

// under puts a room's place in the configuration before its errors, where they
// do not name it themselves.
func under(prefix string, err error) error {
	if err == nil {
		return nil
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var out []error
		for _, e := range many.Unwrap() {
			out = append(out, under(prefix, e))
		}
		return errors.Join(out...)
	}
	if strings.HasPrefix(err.Error(), prefix) {
		return err
	}
	return fmt.Errorf("%s.%w", prefix, err)
}

// flags are the options of the command line; they win over environment and
// file.
type flags struct {
	config, data, listen, otlpGRPC, otlpHTTP string
}

// loadConfig reads file, environment and flags, in order of rising precedence.
func loadConfig(f flags, lookup func(string) (string, bool)) (config, error) {
	c := defaultConfig()
	if f.config == "" {
		f.config, _ = lookup(envPrefix + "CONFIG")
	}
	var file *strictYAML
	if f.config != "" {
		var err error
		if file, err = readStrict(f.config, &c); err != nil {
			return config{}, err
		}
	}
	if err := applyEnv(&c, lookup); err != nil {
		return config{}, err
	}
	for _, o := range []struct {
		value string
		to    *string
	}{{f.data, &c.Data}, {f.listen, &c.Server.HTTP.Listen}, {f.otlpGRPC, &c.Server.OTLPGRPC.Listen}, {f.otlpHTTP, &c.Server.OTLPHTTP.Listen}} {
		if o.value != "" {
			*o.to = o.value
		}
	}
	c.finish()
	return c, file.locate(c.validate())
}

// newLogger logs to stderr, so that what a command prints stays clean.
func newLogger(c logConfig) *slog.Logger {
	opts := &slog.HandlerOptions{Level: c.Level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, opts))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, opts))
}
