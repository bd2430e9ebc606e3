package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
)

// Engine evaluates PromQL: a promql.QueryEngine for the API and for rules,
// with limits, a log of slow queries and metrics. What ClickHouse can do
// better than Prometheus' engine is to be pushed down from here.
type Engine struct {
	engine  *promql.Engine
	store   *Store
	cfg     QueryConfig
	log     *slog.Logger
	seconds *prometheus.HistogramVec
}

// EngineOptions are what an Engine works with; zero values are usable.
type EngineOptions struct {
	Registerer prometheus.Registerer // nil keeps no metrics
	Logger     *slog.Logger          // nil discards
}

// ParserOptions switch on all of PromQL that the linked Prometheus knows.
func ParserOptions() parser.Options {
	return parser.Options{
		EnableExperimentalFunctions: true,
		EnableBinopFillModifiers:    true,
		EnableUnquotedUTF8Names:     true,
	}
}

// NewEngine returns an Engine. store is what Query reads; the queries of the
// QueryEngine methods name their own storage.
func NewEngine(cfg QueryConfig, store *Store, o EngineOptions) *Engine {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	e := &Engine{store: store, cfg: cfg, log: o.Logger}
	e.engine = promql.NewEngine(promql.EngineOpts{
		Logger:                   o.Logger,
		Reg:                      o.Registerer,
		MaxSamples:               cfg.MaxSamples,
		Timeout:                  cfg.Timeout,
		ActiveQueryTracker:       newTracker(cfg.Concurrent),
		LookbackDelta:            cfg.Lookback,
		NoStepSubqueryIntervalFn: func(int64) int64 { return time.Minute.Milliseconds() },
		EnableAtModifier:         true,
		EnableNegativeOffset:     true,
		EnablePerStepStats:       true,
		EnableDelayedNameRemoval: true,
		UseStartTimestamps:       true,
		Parser:                   parser.NewParser(ParserOptions()),
	})
	e.seconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "watchfire_metrics_query_duration_seconds", Help: "Time that PromQL queries took, by type and result.",
		Buckets: []float64{.005, .02, .1, .5, 2, 10, 60},
	}, []string{"type", "result"})
	if o.Registerer != nil {
		o.Registerer.MustRegister(e.seconds)
	}
	return e
}

// Close frees the engine; it runs no more queries.
func (e *Engine) Close() error { return e.engine.Close() }

// NewInstantQuery implements promql.QueryEngine.
func (e *Engine) NewInstantQuery(ctx context.Context, q storage.Queryable, opts promql.QueryOpts, expr string, ts time.Time) (promql.Query, error) {
	query, err := e.engine.NewInstantQuery(ctx, q, opts, expr, ts)
	if err != nil {
		return nil, err
	}
	return &timedQuery{Query: query, e: e, typ: "instant"}, nil
}

// NewRangeQuery implements promql.QueryEngine.
func (e *Engine) NewRangeQuery(ctx context.Context, q storage.Queryable, opts promql.QueryOpts, expr string, start, end time.Time, interval time.Duration) (promql.Query, error) {
	query, err := e.engine.NewRangeQuery(ctx, q, opts, expr, start, end, interval)
	if err != nil {
		return nil, err
	}
	return &timedQuery{Query: query, e: e, typ: "range"}, nil
}

// Query evaluates an expression of a tenant at a time. A scalar is a vector of
// one sample without labels.
func (e *Engine) Query(ctx context.Context, tenant, expr string, at time.Time) (promql.Vector, error) {
	q, err := e.NewInstantQuery(ctx, e.store.Queryable(func(context.Context) string { return tenant }), nil, expr, at)
	if err != nil {
		return nil, fmt.Errorf("cannot query %q: %w", expr, err)
	}
	defer q.Close()
	res := q.Exec(ctx)
	if res.Err != nil {
		return nil, fmt.Errorf("cannot query %q: %w", expr, res.Err)
	}
	switch v := res.Value.(type) {
	case promql.Vector:
		return append(promql.Vector(nil), v...), nil
	case promql.Scalar:
		return promql.Vector{{T: v.T, F: v.V}}, nil
	}
	return nil, fmt.Errorf("cannot query %q: want a vector or a scalar, it is a %s", expr, res.Value.Type())
}

// timedQuery tells how long its query took.
type timedQuery struct {
	promql.Query
	e   *Engine
	typ string
}

// Exec implements promql.Query.
func (q *timedQuery) Exec(ctx context.Context) *promql.Result {
	begin := time.Now()
	res := q.Query.Exec(ctx)
	took := time.Since(begin)
	q.e.seconds.WithLabelValues(q.typ, outcome(res.Err)).Observe(took.Seconds())
	if slow := q.e.cfg.Slow; slow > 0 && took >= slow {
		samples := q.Stats().Samples
		q.e.log.WarnContext(ctx, "slow query", "query", shorten(q.String()), "type", q.typ, "duration", took,
			"samples", samples.TotalSamples, "peak_samples", samples.PeakSamples, "err", res.Err)
	}
	return res
}

// outcome is how a query ended.
func outcome(err error) string {
	var (
		canceled promql.ErrQueryCanceled
		timeout  promql.ErrQueryTimeout
	)
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &canceled), errors.Is(err, context.Canceled):
		return "canceled"
	case errors.As(err, &timeout), errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	return "error"
}

// tracker bounds how many queries run at once.
type tracker struct{ slots chan struct{} }

func newTracker(concurrent int) *tracker {
	return &tracker{slots: make(chan struct{}, max(1, concurrent))}
}

// GetMaxConcurrent implements promql.QueryTracker.
func (t *tracker) GetMaxConcurrent() int { return cap(t.slots) }

// Insert implements promql.QueryTracker: it waits for a slot.
func (t *tracker) Insert(ctx context.Context, _ string) (int, error) {
	select {
	case t.slots <- struct{}{}:
		return 0, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// Delete implements promql.QueryTracker.
func (t *tracker) Delete(int) { <-t.slots }

// Close implements promql.QueryTracker.
func (t *tracker) Close() error { return nil }
