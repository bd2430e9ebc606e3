package logs

import (
	"context"
	"fmt"

	"github.com/grafana/loki/v3/pkg/logql"
	"github.com/grafana/loki/v3/pkg/logql/syntax"
	"github.com/grafana/loki/v3/pkg/logqlmodel"
	"github.com/prometheus/prometheus/promql"
)

// offload prepares a metric query for Loki's downstream engine, if every
// selector in it is within a counting that SQL can do exactly; the engine then
// does the rest of the query over their results. ok is false otherwise: the
// query is for the usual engine.
func (e *Engine) offload(ctx context.Context, p logql.Params) (q logql.Query, ok bool, err error) {
	root, isSample := p.GetExpression().(syntax.SampleExpr)
	if !isSample {
		return nil, false, nil
	}
	d := &downstream{store: e.store, sources: map[syntax.SampleExpr]*source{}}
	g := newGrid(p.Start(), p.End(), p.Step())
	expr, ok, err := d.replace(ctx, root, g)
	if err != nil || !ok || len(d.sources) == 0 {
		return nil, false, err
	}
	engine := logql.NewDownstreamEngine(logql.EngineOpts{}, d, lokiLimits{e.cfg}, nopLogger)
	return engine.Query(ctx, logql.ParamsWithExpressionOverride{Params: p, ExpressionOverride: expr}), true, nil
}

// downstream answers the countings of one query.
type downstream struct {
	store   *Store
	sources map[syntax.SampleExpr]*source
}

// replace returns e with its countings marked for the downstream engine.
func (d *downstream) replace(ctx context.Context, e syntax.SampleExpr, g grid) (syntax.SampleExpr, bool, error) {
	if c, ok := countingOf(e); ok {
		src, ok, err := d.store.newSource(ctx, c, g)
		if err != nil || !ok {
			return nil, false, err
		}
		d.sources[e] = src
		return logql.DownstreamSampleExpr{SampleExpr: e}, true, nil
	}
	switch e := e.(type) {
	case *syntax.LiteralExpr, *syntax.VectorExpr:
		return e, true, nil
	case *syntax.VectorAggregationExpr:
		left, ok, err := d.replace(ctx, e.Left, g)
		if err != nil || !ok || e.Operation == syntax.OpTypeApproxTopK {
			return nil, false, err
		}
		out := *e
		out.Left = left
		return &out, true, nil
	case *syntax.BinOpExpr:
		left, ok, err := d.replace(ctx, e.SampleExpr, g)
		if err != nil || !ok {
			return nil, false, err
		}
		right, ok, err := d.replace(ctx, e.RHS, g)
		if err != nil || !ok {
			return nil, false, err
		}
		out := *e
		out.SampleExpr, out.RHS = left, right
		return &out, true, nil
	}
	return nil, false, nil
}

// Downstreamer implements logql.Downstreamable.
func (d *downstream) Downstreamer(context.Context) logql.Downstreamer { return d }

// Downstream implements logql.Downstreamer.
func (d *downstream) Downstream(ctx context.Context, queries []logql.DownstreamQuery, acc logql.Accumulator) ([]logqlmodel.Result, error) {
	for i, q := range queries {
		e, _ := q.Params.GetExpression().(syntax.SampleExpr)
		src := d.sources[e]
		if src == nil {
			return nil, fmt.Errorf("no source for %s", q.Params.GetExpression())
		}
		matrix, err := d.store.count(ctx, src)
		if err != nil {
			return nil, err
		}
		result := logqlmodel.Result{Data: matrix}
		if logql.GetRangeType(q.Params) == logql.InstantType {
			result.Data = instant(matrix)
		}
		if err := acc.Accumulate(ctx, result, i); err != nil {
			return nil, err
		}
	}
	return acc.Result(), nil
}

// instant is the vector of a matrix of one step.
func instant(m promql.Matrix) promql.Vector {
	v := promql.Vector{}
	for _, s := range m {
		v = append(v, promql.Sample{Metric: s.Metric, T: s.Floats[0].T, F: s.Floats[0].F})
	}
	return v
}
