package promapi

import (
	"context"
	"errors"
	"log/slog"
	"net/url"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/tsdb"
	v1 "github.com/prometheus/prometheus/web/api/v1"
)

// fill replaces what is missing by what shows nothing.
func (o *Options) fill() {
	if o.Rules == nil {
		o.Rules = func(context.Context) v1.RulesRetriever { return nothing{} }
	}
	if o.Targets == nil {
		o.Targets = func(context.Context) v1.TargetRetriever { return nothing{} }
	}
	if o.ScrapePools == nil {
		o.ScrapePools = func(context.Context) v1.ScrapePoolsRetriever { return nothing{} }
	}
	if o.Alertmanagers == nil {
		o.Alertmanagers = func(context.Context) v1.AlertmanagerRetriever { return nothing{} }
	}
	if o.Config == nil {
		o.Config = func() config.Config { return config.DefaultConfig }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Gatherer == nil {
		o.Gatherer = prometheus.NewRegistry()
	}
	if o.Registerer == nil {
		o.Registerer = prometheus.NewRegistry()
	}
}

// nothing has no rules, targets, pools or Alertmanagers.
type nothing struct{}

func (nothing) RuleGroups() []*rules.Group                 { return nil }
func (nothing) AlertingRules() []*rules.AlertingRule       { return nil }
func (nothing) TargetsActive() map[string][]*scrape.Target { return nil }
func (nothing) TargetsDropped() map[string][]*scrape.Target {
	return nil
}
func (nothing) TargetsDroppedCounts() map[string]int { return nil }
func (nothing) ScrapePoolConfig(name string) (*config.ScrapeConfig, error) {
	return nil, errors.New("no scrape pool " + name)
}
func (nothing) ScrapePools() []string            { return nil }
func (nothing) Alertmanagers() []*url.URL        { return nil }
func (nothing) DroppedAlertmanagers() []*url.URL { return nil }

// noTSDB answers what is about Prometheus' own files.
type noTSDB struct{}

var errNoTSDB = errors.New("there is no Prometheus TSDB here: samples are in ClickHouse")

func (noTSDB) CleanTombstones() error { return errNoTSDB }
func (noTSDB) Delete(context.Context, int64, int64, ...*labels.Matcher) error {
	return errNoTSDB
}
func (noTSDB) Snapshot(string, bool) error            { return errNoTSDB }
func (noTSDB) Stats(string, int) (*tsdb.Stats, error) { return nil, errNoTSDB }
func (noTSDB) WALReplayStatus() (tsdb.WALReplayStatus, error) {
	return tsdb.WALReplayStatus{}, nil
}
func (noTSDB) BlockMetas() ([]tsdb.BlockMeta, error) { return nil, nil }
