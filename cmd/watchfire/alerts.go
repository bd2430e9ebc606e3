package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/grafana/loki/v3/pkg/logql/syntax"
	"github.com/prometheus/prometheus/promql"

	"github.com/watchfire/watchfire/alerting"
	"github.com/watchfire/watchfire/alerting/rules"
	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/dashboards"
)

// alerts makes the alert center over the engines of metrics and logs.
func (a *app) alerts(sink collector.MetricSink) (err error) {
	holder, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("cannot find this machine's name: %w", err)
	}
	folder, err := filepath.Abs(a.config.Data)
	if err != nil {
		return fmt.Errorf("cannot resolve the data folder (option data): %w", err)
	}
	a.alerting, err = alerting.New(alerting.Options{
		Config: a.config.Alerting, Query: a.ruleQuery, LogQL: checkLogQL, Sink: sink, Records: a.records,
		Holder:      holder + ":" + folder, // the same after a restart
		ExternalURL: &url.URL{Scheme: "http", Host: a.config.Server.HTTP.Listen, Path: "/"},
		Logger:      a.log.With("room", "alerting"), Registerer: a.registry,
	})
	if err != nil {
		return err
	}
	a.alerting.Register(a.mux)
	for _, folder := range []string{"/api/v1", "/prometheus/api/v1"} {
		a.alerting.RegisterPrometheus(a.mux, folder)
	}
	a.reloads = append(a.reloads, func(config) error { return a.alerting.Reload() })
	return nil
}

// ruleQuery answers a rule's query in its language.
func (a *app) ruleQuery(ctx context.Context, tenant string, language rules.Language, expr string, at time.Time) (promql.Vector, error) {
	switch language {
	case rules.LogQL:
		return a.logql.Query(ctx, tenant, expr, at)
	case rules.PromQL:
		return a.promql.Query(ctx, tenant, expr, at)
	}
	return nil, fmt.Errorf("there is no query language %q", language)
}

// checkLogQL judges the LogQL of a rule, which has to give numbers.
func checkLogQL(expr string) error {
	_, err := syntax.ParseSampleExpr(expr)
	return err
}

// activeAlerts are a tenant's alerts as the page shows them.
func (a *app) activeAlerts(_ context.Context, tenant string) ([]dashboards.Alert, error) {
	var out []dashboards.Alert
	for _, al := range a.alerting.Alerts(tenant) {
		level := al.Level
		if level == rules.None {
			level = al.Waiting
		}
		summary := al.Annotations.Get("summary")
		if summary == "" {
			summary = al.Reason
		}
		out = append(out, dashboards.Alert{
			Name: al.Rule, Level: level.String(), State: al.State.String(), Since: al.Since,
			Summary: summary, SummaryZH: al.Annotations.Get("summary_zh"),
		})
	}
	return out, nil
}
