package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/prometheus/storage"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/collector/loki"
	"github.com/watchfire/watchfire/collector/otlp"
	"github.com/watchfire/watchfire/collector/remotewrite"
	"github.com/watchfire/watchfire/collector/sources"
	"github.com/watchfire/watchfire/events"
	"github.com/watchfire/watchfire/logs"
	"github.com/watchfire/watchfire/metrics"
	"github.com/watchfire/watchfire/server"
	"github.com/watchfire/watchfire/storage/batch"
	"github.com/watchfire/watchfire/traces"
)

// signals wires the ways in to the signals' writers, and the signals' readers
// to the APIs. The receiver it returns serves OTLP over gRPC too.
func (a *app) signals(ctx context.Context, sink batch.Sink) (*otlp.Receiver, error) {
	c := a.config
	var err error
	log := func(room string) *slog.Logger { return a.log.With("room", room) }
	tail := logs.NewTail(c.Logs.Tail, a.registry)
	writers := collector.Sinks{}
	mw := metrics.NewWriter(c.Metrics, sink, metrics.WriterOptions{Limits: a.metricLimits, Registerer: a.registry, Logger: log("metrics")})
	lw := logs.NewWriter(c.Logs, sink, logs.WriterOptions{Identity: c.Identity, Tail: tail, Registerer: a.registry, Logger: log("logs")})
	tw := traces.NewWriter(c.Traces, sink, traces.WriterOptions{Identity: c.Identity, Registerer: a.registry, Logger: log("traces")})
	ew := events.NewWriter(c.Events, sink, events.WriterOptions{Registerer: a.registry, Logger: log("events")})
	writers.Metrics, writers.Logs, writers.Spans, writers.Events = mw, lw, tw, ew
	if err := mw.Warm(ctx, a.db.client); err != nil {
		return nil, err
	}
	a.parts.add("metrics writer", mw.Run)
	a.parts.add("logs writer", lw.Run)
	a.parts.add("traces writer", tw.Run)
	a.parts.add("events writer", ew.Run)

	arrivals := collector.NewArrivals(time.Now)
	counts := collector.NewMetrics(a.registry)
	limits := c.Collector.Limits
	admit := func(tenant string, s server.Signal, u server.Use) error {
		return a.limiter.Allow(tenant, s, u, time.Now())
	}
	receiver := otlp.New(otlp.Options{
		Config: c.Collector.OTLP, Identity: c.Identity, Limits: limits,
		Sinks: arrivals.Sinks("otlp", writers), Admit: admit, Counts: counts, Registerer: a.registry,
	})
	a.parts.add("otlp", receiver.Run)

	a.health()
	receiver.Register(a.mux)
	remotewrite.New(arrivals.Sinks("remote_write", writers).Metrics, limits, admit, counts).Register(a.mux)
	loki.New(c.Collector.Loki, arrivals.Sinks("loki", writers).Logs, limits, admit, counts).Register(a.mux)
	a.sources, err = sources.New(ctx, sources.Options{
		Config: c.Collector.Config, Data: c.Data,
		Sinks:      func(source string) collector.Sinks { return arrivals.Sinks(source, writers) },
		Appendable: func(tenant func(context.Context) string) storage.AppendableV2 { return mw.Appendable(tenant) },
		Stored:     func(tenant string, samples int) { arrivals.Note(tenant, "metrics", "scrape", samples) },
		OTLP:       receiver, Limits: limits, Counts: counts, Registry: a.registry,
		OwnLogs: a.ownLogs, Version: version, Logger: log("collector"),
	})
	if err != nil {
		return nil, err
	}
	a.queries(mw, tail)
	if err := a.alerts(writers.Metrics); err != nil {
		return nil, err
	}
	for _, p := range a.sources.Parts {
		a.parts.add(p.Name, p.Run)
	}
	a.parts.add("alerting", a.alerting.Run)
	a.page(arrivals)
	return receiver, nil
}

// metricLimits are the metrics room's limits with the tenant's own limit of
// series.
func (a *app) metricLimits(tenant string) metrics.Limits {
	l := a.config.Metrics.Limits
	if n := a.limiter.For(tenant).MaxSeries; n > 0 {
		l.MaxSeries = int(n)
	}
	return l
}
