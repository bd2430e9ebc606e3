package promapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"time"

	"github.com/grafana/regexp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/route"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/util/features"
	"github.com/prometheus/prometheus/util/notifications"
	v1 "github.com/prometheus/prometheus/web/api/v1"

	"github.com/watchfire/watchfire/metrics"
	"github.com/watchfire/watchfire/server"
	"github.com/watchfire/watchfire/storage"
)

// PrometheusVersion is what clients are told to speak to: the version of the
// linked Prometheus, by which Grafana decides what it may ask for.
const PrometheusVersion = "3.16.0"

// Options are what the API shows beside metrics; nil functions show nothing.
type Options struct {
	Rules         func(context.Context) v1.RulesRetriever
	Targets       func(context.Context) v1.TargetRetriever
	ScrapePools   func(context.Context) v1.ScrapePoolsRetriever
	Alertmanagers func(context.Context) v1.AlertmanagerRetriever
	Config        func() config.Config // as /status/config shows it
	Flags         map[string]string
	Retention     string // as /status/runtimeinfo shows it
	Revision      string // of this build
	Registerer    prometheus.Registerer
	Gatherer      prometheus.Gatherer // for /status/self_metrics; nil shows none
	Logger        *slog.Logger
}

// API is Prometheus' HTTP API.
type API struct {
	store  *metrics.Store
	router *route.Router
	now    func() time.Time
}

// New returns the API over a store and the engine that evaluates queries.
func New(cfg metrics.QueryConfig, engine *metrics.Engine, store *metrics.Store, o Options) *API {
	o.fill()
	api := &API{store: store, router: route.New(), now: time.Now}
	newPrometheusAPI(cfg, engine, store, o).Register(api.router)
	return api
}

// Register mounts the API at /api/v1 and /prometheus/api/v1.
func (a *API) Register(mux *server.Mux) {
	for _, prefix := range []string{"/api/v1", "/prometheus/api/v1"} {
		mux.HandleFunc("GET "+prefix+"/metadata", server.Read, a.metadata)
		mux.HandleFunc("GET "+prefix+"/status/tsdb", server.Read, a.tsdbStatus)
		mux.Handle(prefix+"/", server.Read, http.StripPrefix(prefix, a.router))
	}
}

// newPrometheusAPI is the one place that knows NewAPI's arguments.
func newPrometheusAPI(cfg metrics.QueryConfig, engine *metrics.Engine, store *metrics.Store, o Options) *v1.API {
	q := store.Queryable(server.Tenant)
	started := time.Now()
	const (
		admin, search, agent = false, false, false
		maxSearch            = 0
		remoteReadSamples    = 50_000_000
		remoteReadConcurrent = 10
		remoteReadFrame      = 1 << 20
		remoteWrite, otlp    = false, false // the collector's
		deltaToCumulative    = false
		nativeDelta          = false
		typeAndUnitLabels    = false
		appendMetadata       = false
		queryCost            = false
	)
	return v1.NewAPI(
		engine, q, nil, q,
		o.ScrapePools, o.Targets, o.Alertmanagers,
		o.Config, o.Flags, v1.GlobalURLOptions{},
		func(f http.HandlerFunc) http.HandlerFunc { return f },
		noTSDB{}, "", admin, search, maxSearch,
		o.Logger, o.Rules,
		remoteReadSamples, remoteReadConcurrent, remoteReadFrame,
		agent, regexp.MustCompile("^$"),
		func() (v1.RuntimeInfo, error) { return runtimeInfo(started, o.Retention) },
		&v1.PrometheusVersion{Version: PrometheusVersion, Revision: o.Revision, Branch: "watchfire", GoVersion: runtime.Version()},
		func() []notifications.Notification { return nil },
		func() (<-chan notifications.Notification, func(), bool) { return nil, func() {}, false },
		o.Gatherer, o.Registerer, nil,
		remoteWrite, nil, otlp, deltaToCumulative, nativeDelta,
		cfg.Lookback, typeAndUnitLabels, appendMetadata,
		errorStatus, features.NewRegistry(), v1.OpenAPIOptions{},
		parser.NewParser(metrics.ParserOptions()), queryCost, cfg.Timeout,
	)
}

// errorStatus lets errors of ours choose their status, so that a ClickHouse
// that can't be reached is no mistake of the query. It is generic because the
// type of Prometheus' error numbers has no name outside.
func errorStatus[T any](_ T, err error) (int, bool) {
	var s interface{ HTTPStatus() int }
	switch {
	case errors.As(err, &s):
		return s.HTTPStatus(), true
	case errors.Is(err, storage.ErrUnavailable):
		return http.StatusServiceUnavailable, true
	}
	return 0, false
}

func runtimeInfo(started time.Time, retention string) (v1.RuntimeInfo, error) {
	host, err := os.Hostname()
	return v1.RuntimeInfo{
		StartTime: started, Hostname: host, ServerTime: time.Now(), ReloadConfigSuccess: true, LastConfigTime: started,
		GoroutineCount: runtime.NumGoroutine(), GOMAXPROCS: runtime.GOMAXPROCS(0), StorageRetention: retention,
	}, err
}
