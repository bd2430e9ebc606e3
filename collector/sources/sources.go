package sources

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/collector/embed"
	"github.com/watchfire/watchfire/collector/files"
	"github.com/watchfire/watchfire/collector/gather"
	"github.com/watchfire/watchfire/collector/host"
	"github.com/watchfire/watchfire/collector/legacy"
	"github.com/watchfire/watchfire/collector/otlp"
	"github.com/watchfire/watchfire/collector/scrape"
	"github.com/watchfire/watchfire/collector/self"
	"github.com/watchfire/watchfire/collector/syslog"
)

// Options are what the sources work with.
type Options struct {
	Config Config
	// Data is the folder in which positions are remembered.
	Data string
	// Sinks are the sinks of a source by its name.
	Sinks func(source string) collector.Sinks
	// Appendable is scraping's way to the metrics; tenant tells from an
	// appender's context whose samples they are.
	Appendable func(tenant func(context.Context) string) storage.AppendableV2
	// Stored is told of what scraping has stored; nil tells nobody.
	Stored func(tenant string, samples int)
	// OTLP translates what receivers bring.
	OTLP   *otlp.Receiver
	Limits collector.Limits
	Counts *collector.Metrics
	// Registry holds Watchfire's own metrics, and takes scraping's.
	Registry *prometheus.Registry
	// OwnLogs is the handler that a.log writes to; nil when there is none.
	OwnLogs *self.Logs
	Version string
	Logger  *slog.Logger
}

// Part is one source that runs until its context ends.
type Part struct {
	Name string
	Run  func(ctx context.Context) error
}

// Sources are all that the configuration asks for.
type Sources struct {
	// Scrape is the TargetRetriever of Prometheus' API.
	Scrape *scrape.Manager
	// Traces makes Watchfire's own spans; wrap handlers in its Middleware.
	Traces *self.Traces
	// Parts have to run, in any order, after the signals' writers.
	Parts []Part

	storage *embed.Storage
}

// New makes the sources; nothing is listened on or read before the parts run.
// The configuration has been validated.
func New(ctx context.Context, o Options) (s *Sources, err error) {
	s = &Sources{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	dir := filepath.Join(o.Data, "positions")
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return s, fmt.Errorf("cannot remember positions: %w", err)
	}
	if s.storage, err = embed.NewStorage(ctx, dir, o.Logger); err != nil {
		return s, err
	}
	name, err := os.Hostname()
	if err != nil {
		return s, fmt.Errorf("cannot find this machine's name: %w", err)
	}
	for _, add := range []func(context.Context, Options, string) error{s.host, s.files, s.syslog, s.legacy, s.scrape, s.self} {
		if err := add(ctx, o, name); err != nil {
			return s, err
		}
	}
	return s, nil
}

// Close releases the remembered positions; call it when no part runs any more.
func (s *Sources) Close() error {
	if s.storage == nil {
		return nil
	}
	return s.storage.Close(context.Background())
}

func (s *Sources) add(name string, run func(context.Context) error) {
	s.Parts = append(s.Parts, Part{name, run})
}

func (s *Sources) host(ctx context.Context, o Options, _ string) error {
	sinks := o.Sinks("host")
	watchers, err := host.New(ctx, host.Options{
		Config: o.Config.Host, OTLP: o.OTLP.With(sinks), Sinks: sinks, Limits: o.Limits, Counts: o.Counts,
		Storage: s.storage, Positions: filepath.Join(o.Data, "positions"), Logger: o.Logger,
	})
	for _, w := range watchers {
		s.add("this machine", w.Run)
	}
	return err
}

func (s *Sources) files(ctx context.Context, o Options, name string) error {
	for _, c := range o.Config.Files {
		t, err := files.New(ctx, files.Options{
			Config: c, Host: name, Sink: o.Sinks("files").Logs, Limits: o.Limits, Counts: o.Counts, Storage: s.storage, Logger: o.Logger,
		})
		if err != nil {
			return err
		}
		s.add("files "+c.Name, t.Run)
	}
	return nil
}

func (s *Sources) syslog(ctx context.Context, o Options, _ string) error {
	for _, c := range o.Config.Syslog {
		l, err := syslog.New(ctx, syslog.Options{Config: c, Sink: o.Sinks("syslog").Logs, Counts: o.Counts, Logger: o.Logger})
		if err != nil {
			return err
		}
		s.add("syslog "+c.Listen, l.Run)
	}
	return nil
}

func (s *Sources) legacy(ctx context.Context, o Options, _ string) error {
	receivers, err := legacy.New(ctx, legacy.Options{
		Config: o.Config.Traces, OTLP: o.OTLP.With(o.Sinks("jaeger and zipkin")), Counts: o.Counts, Logger: o.Logger,
	})
	for _, r := range receivers {
		s.add("traces of older formats", r.Run)
	}
	return err
}

func (s *Sources) scrape(_ context.Context, o Options, _ string) (err error) {
	s.Scrape, err = scrape.New(scrape.Options{
		Config: o.Config.Scrape, Appendable: o.Appendable, Stored: o.Stored, Registerer: o.Registry, Logger: o.Logger,
	})
	if err == nil {
		s.add("scraping", s.Scrape.Run)
	}
	return err
}

func (s *Sources) self(_ context.Context, o Options, name string) error {
	c, sinks := o.Config.Self, o.Sinks("self")
	s.Traces = self.NewTraces(self.TraceOptions{
		Ratio: c.TraceRatio, Sink: sinks.Spans, Tenant: c.Tenant, Host: name, Version: o.Version, Counts: o.Counts,
	})
	s.add("own traces", s.Traces.Run)
	if c.MetricsInterval > 0 {
		own := &gather.Scraper{
			Gatherer: o.Registry, Target: labels.FromStrings("job", "watchfire", "instance", name), Interval: c.MetricsInterval,
			Tenant: c.Tenant, Sink: sinks.Metrics, Counts: o.Counts, Logger: o.Logger,
		}
		s.add("own metrics", own.Run)
	}
	if c.Logs && o.OwnLogs != nil {
		s.add("own logs", func(ctx context.Context) error {
			return o.OwnLogs.Run(ctx, self.LogOptions{Sink: sinks.Logs, Tenant: c.Tenant, Host: name, Counts: o.Counts})
		})
	}
	return nil
}
