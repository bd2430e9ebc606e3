package logs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"time"

	"github.com/go-kit/log"
	"github.com/grafana/dskit/user"
	"github.com/grafana/loki/v3/pkg/logproto"
	"github.com/grafana/loki/v3/pkg/logql"
	"github.com/grafana/loki/v3/pkg/logql/syntax"
	"github.com/grafana/loki/v3/pkg/logqlmodel"
	"github.com/grafana/loki/v3/pkg/util/validation"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql"

	"github.com/watchfire/watchfire/server"
	"github.com/watchfire/watchfire/storage"
)

// EngineOptions are what an Engine works with; zero values are usable.
type EngineOptions struct {
	Registerer prometheus.Registerer // nil keeps no metrics
	Logger     *slog.Logger          // nil discards
}

// Engine answers LogQL. It is safe for concurrent use.
type Engine struct {
	cfg   QueryConfig
	store *Store
	loki  *logql.QueryEngine
	slots chan struct{}
	log   *slog.Logger
	took  prometheus.Histogram
}

// NewEngine returns an Engine over store, with the limits of cfg.
func NewEngine(cfg QueryConfig, store *Store, o EngineOptions) *Engine {
	e := &Engine{
		cfg: cfg, store: store, slots: make(chan struct{}, cfg.Concurrent), log: o.Logger,
		took: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "watchfire_logs_query_duration_seconds", Help: "Time that LogQL queries took, waiting included.",
			Buckets: prometheus.ExponentialBuckets(0.002, 4, 9),
		}),
	}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	if o.Registerer != nil {
		o.Registerer.MustRegister(e.took)
	}
	e.loki = logql.NewEngine(logql.EngineOpts{}, querier{store}, lokiLimits{cfg}, nopLogger)
	return e
}

// nopLogger keeps Loki's engine quiet: slow queries are logged here.
var nopLogger = log.NewNopLogger()

// Params are a query of a range, or of one moment when Start equals End and
// Step is zero.
type Params struct {
	Query      string
	Start, End time.Time
	Step       time.Duration // between values; unused by queries for lines
	Interval   time.Duration // least time between two lines of a stream, 0 = all
	Forward    bool          // oldest lines first
	Limit      int           // lines to return
}

// Exec runs a query for tenant. The error knows its HTTP status.
func (e *Engine) Exec(ctx context.Context, tenant string, p Params) (logqlmodel.Result, error) {
	if err := e.check(p); err != nil {
		return logqlmodel.Result{}, err
	}
	direction := logproto.BACKWARD
	if p.Forward {
		direction = logproto.FORWARD
	}
	params, err := logql.NewLiteralParams(p.Query, p.Start, p.End, p.Step, p.Interval, direction, uint32(p.Limit), nil, nil)
	if err != nil {
		return logqlmodel.Result{}, queryError(err)
	}
	if _, lines := params.GetExpression().(syntax.LogSelectorExpr); lines && e.cfg.MaxEntries > 0 && p.Limit > e.cfg.MaxEntries {
		return logqlmodel.Result{}, server.Invalid("max entries limit per query exceeded, limit > max_entries_limit_per_query (%d > %d): logs.query.max_entries", p.Limit, e.cfg.MaxEntries)
	}
	begin := time.Now()
	select {
	case e.slots <- struct{}{}:
		defer func() { <-e.slots }()
	case <-ctx.Done():
		return logqlmodel.Result{}, ctx.Err()
	}
	result, err := e.query(tenantContext(ctx, tenant), params)
	took := time.Since(begin)
	e.took.Observe(took.Seconds())
	if e.cfg.Slow > 0 && took > e.cfg.Slow {
		e.log.Warn("slow query", "tenant", tenant, "query", clipQuery(p.Query), "start", p.Start, "end", p.End, "took", took,
			"rows_read", result.Statistics.Summary.TotalLinesProcessed, "bytes_read", result.Statistics.Summary.TotalBytesProcessed)
	}
	if err != nil {
		return logqlmodel.Result{}, queryError(err)
	}
	return result, nil
}

func (e *Engine) query(ctx context.Context, p logql.Params) (logqlmodel.Result, error) {
	q, ok, err := e.offload(ctx, p)
	if err != nil {
		return logqlmodel.Result{}, err
	}
	if ok {
		return q.Exec(ctx)
	}
	return e.loki.Query(p).Exec(ctx)
}

// tenantContext carries the tenant for us; Loki's engine wants one of its own
// kind, which may not have every name that ours may.
func tenantContext(ctx context.Context, tenant string) context.Context {
	return user.InjectOrgID(server.WithTenant(ctx, tenant), "tenant")
}

// check refuses what can't be answered.
func (e *Engine) check(p Params) error {
	if p.End.Before(p.Start) {
		return server.Invalid("end timestamp must not be before or equal to start time")
	}
	if p.Limit < 0 || p.Limit > math.MaxInt32 {
		return server.Invalid("limit %d: want 0 or more", p.Limit)
	}
	if r := p.End.Sub(p.Start); e.cfg.MaxRange > 0 && r > e.cfg.MaxRange {
		return server.Invalid("the query time range exceeds the limit (query length: %s, limit: %s): logs.query.max_range", r, e.cfg.MaxRange)
	}
	return nil
}

// Query evaluates a metric query at one moment, as rules do.
func (e *Engine) Query(ctx context.Context, tenant, expr string, at time.Time) (promql.Vector, error) {
	result, err := e.Exec(ctx, tenant, Params{Query: expr, Start: at, End: at})
	if err != nil {
		return nil, err
	}
	switch v := result.Data.(type) {
	case promql.Vector:
		return v, nil
	case promql.Scalar:
		return promql.Vector{{T: v.T, F: v.V}}, nil
	}
	return nil, server.Invalid("query %q returns lines: a rule needs a number, as count_over_time makes one", clipQuery(expr))
}

// queryError gives an error of Loki's engine its HTTP status.
func queryError(err error) error {
	var ours *storage.Error
	switch {
	case errors.Is(err, logqlmodel.ErrParse), errors.Is(err, logqlmodel.ErrPipeline), errors.Is(err, logqlmodel.ErrLimit),
		errors.Is(err, logqlmodel.ErrVariantsDisabled), errors.Is(err, logqlmodel.ErrUnsupportedSyntaxForInstantQuery), errors.Is(err, logqlmodel.ErrIntervalLimit):
		return &server.Error{Status: http.StatusBadRequest, Reason: server.ReasonInvalid, Message: err.Error(), Err: err}
	case errors.Is(err, storage.ErrLimit) && !errors.Is(err, storage.ErrUnavailable):
		return &server.Error{Status: http.StatusUnprocessableEntity, Reason: server.ReasonExecution, Err: err,
			Message: fmt.Sprintf("the query reached a limit: logs.query.timeout, max_rows_read or max_memory: %v", err)}
	case errors.Is(err, storage.ErrUnavailable):
		return server.Unavailable(time.Second, "logs can't be read now: %w", err)
	case errors.As(err, &ours):
		return fmt.Errorf("cannot run the query: %w", err)
	}
	return err
}

func clipQuery(q string) string {
	if len(q) > 500 {
		return q[:500] + "..."
	}
	return q
}

// lokiLimits are the limits that Loki's engine asks for.
type lokiLimits struct{ cfg QueryConfig }

func (l lokiLimits) MaxQuerySeries(context.Context, string) int          { return l.cfg.MaxSeries }
func (l lokiLimits) MaxQueryRange(context.Context, string) time.Duration { return 0 }
func (l lokiLimits) QueryTimeout(context.Context, string) time.Duration  { return l.cfg.Timeout }
func (l lokiLimits) BlockedQueries(context.Context, string) []*validation.BlockedQuery {
	return nil
}
func (l lokiLimits) EnableMultiVariantQueries(string) bool { return false }
func (l lokiLimits) MaxScanTaskParallelism(string) int     { return 0 }
func (l lokiLimits) DebugEngineTasks(string) bool          { return false }
func (l lokiLimits) DebugEngineStreams(string) bool        { return false }
