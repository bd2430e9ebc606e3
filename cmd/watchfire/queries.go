package main

import (
	"context"
	"fmt"
	"sort"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/grafana/loki/v3/pkg/logql/syntax"
	"github.com/grafana/loki/v3/pkg/logqlmodel"
	promconfig "github.com/prometheus/prometheus/config"
	v1 "github.com/prometheus/prometheus/web/api/v1"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/dashboards"
	"github.com/watchfire/watchfire/events"
	"github.com/watchfire/watchfire/logs"
	"github.com/watchfire/watchfire/metrics"
	"github.com/watchfire/watchfire/metrics/promapi"
	"github.com/watchfire/watchfire/server"
	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/traces"
	"github.com/watchfire/watchfire/traces/jaeger"
	"github.com/watchfire/watchfire/traces/tempo"
)

// queries wires the readers of the signals to the APIs of Prometheus, Loki,
// Tempo and Jaeger.
func (a *app) queries(writer *metrics.Writer, tail *logs.Tail) {
	c := a.config
	log := a.log.With("room", "metrics")
	if a.db.engine == nil {
		writer = nil // an outside ClickHouse may have other writers
	}
	store := metrics.NewStore(c.Metrics.Query, a.db.client, writer)
	a.promql = metrics.NewEngine(c.Metrics.Query, store, metrics.EngineOptions{Registerer: a.registry, Logger: log})
	promapi.New(c.Metrics.Query, a.promql, store, promapi.Options{
		Targets: func(context.Context) v1.TargetRetriever { return a.sources.Scrape },
		Config:  func() promconfig.Config { return promconfig.DefaultConfig }, Retention: c.Storage.Retention.Metrics.Default.String(),
		Revision: version, Registerer: a.registry, Gatherer: a.registry, Logger: log,
	}).Register(a.mux)

	log = a.log.With("room", "logs")
	a.logql = logs.NewEngine(c.Logs.Query, logs.NewStore(c.Logs.Query, a.db.client), logs.EngineOptions{Registerer: a.registry, Logger: log})
	logs.NewAPI(a.logql, tail, version).Register(a.mux)

	spans := traces.NewReader(c.Traces.Query, a.db.client, time.Now)
	tempo.New(spans, version).Register(a.mux)
	jaeger.New(spans, time.Now).Register(a.mux)
	events.NewAPI(events.NewReader(c.Events.Query, a.db.client, time.Now)).Register(a.mux)
}

// page serves what people look at.
func (a *app) page(arrivals *collector.Arrivals) {
	reader := &dashboards.Reader{
		Sources: func(tenant string, _ time.Time) (out []dashboards.Source) {
			for _, s := range arrivals.Of(tenant) {
				out = append(out, dashboards.Source{Signal: s.Signal, Name: s.Source, PerSecond: s.PerSecond, LastSeen: s.LastSeen})
			}
			return out
		},
		Query:  a.promql.Query,
		Errors: a.newestErrors,
		Alerts: a.activeAlerts,
		Now:    time.Now,
	}
	a.mux.Handle("GET /api/ops/v1/overview", server.Read, reader)
	sql := dashboards.SQL{Query: a.limitedSQL, MaxRows: sqlMaxRows, Timeout: sqlTimeout}
	a.mux.HandleFunc("POST /api/ops/v1/sql", server.Admin, sql.Serve)
	a.mux.Handle("/", server.Read, dashboards.Page())
}

// Limits of a SQL query.
const (
	sqlMaxRows = 10_000
	sqlTimeout = 30 * time.Second
	sqlMemory  = 1 << 30 // bytes
)

func (a *app) limitedSQL(ctx context.Context, sql string) (driver.Rows, error) {
	return a.db.client.Query(storage.WithLimits(ctx, storage.Limits{MaxTime: sqlTimeout, MaxMemory: sqlMemory}), sql)
}

// errorQuery finds lines that tell of an error, by the level that was detected
// when they were stored.
const errorQuery = `{service_name=~".+"} | detected_level=~"error|critical|fatal"`

// newestErrors asks for the newest error lines, newest first.
func (a *app) newestErrors(ctx context.Context, tenant string, from, to time.Time, limit int) ([]dashboards.Line, error) {
	result, err := a.logql.Exec(ctx, tenant, logs.Params{Query: errorQuery, Start: from, End: to, Limit: limit})
	if err != nil {
		return nil, err
	}
	streams, ok := result.Data.(logqlmodel.Streams)
	if !ok {
		return nil, fmt.Errorf("a query for lines was answered by %T", result.Data)
	}
	var lines []dashboards.Line
	for _, s := range streams {
		ls, err := syntax.ParseLabels(s.Labels)
		if err != nil {
			return nil, fmt.Errorf("cannot parse the labels of a stream: %w", err)
		}
		service := ls.Get("service_name")
		for _, e := range s.Entries {
			lines = append(lines, dashboards.Line{
				Time: e.Timestamp.UTC(), Service: service, Line: e.Line,
				Query: fmt.Sprintf(`{service_name=%q} | detected_level=~"error|critical|fatal"`, service),
			})
		}
	}
	sort.Slice(lines, func(i, j int) bool { return lines[i].Time.After(lines[j].Time) })
	return lines[:min(limit, len(lines))], nil
}
