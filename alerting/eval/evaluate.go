package eval

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/watchfire/watchfire/alerting/rules"
)

// evaluate makes the evaluation of a slot: rule after rule, then the state is
// saved, and only what is saved is told. An error means that the evaluation
// does not count.
func (g *group) evaluate(ctx context.Context, slot int64, late bool) error {
	start := time.Now()
	for _, r := range g.rules {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if r.flush {
			g.write(ctx)
		}
		g.evaluateRule(ctx, r, slot, late)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	g.write(ctx)
	err := g.save(ctx, slot)
	switch {
	case errors.Is(err, ErrConflict):
		g.e.m.conflicts.Inc()
		return err
	case err != nil: // better to tell people than to wait for the store
		g.e.m.saveErrors.Inc()
		g.e.log.Warn("the alerts' state was not saved", "tenant", g.tenant, "group", g.key, "error", err)
	}
	g.handOn(ctx)
	g.mu.Lock()
	g.done, g.lastEval, g.duration = slot, start, time.Since(start)
	g.mu.Unlock()
	g.e.m.seconds.Observe(time.Since(start).Seconds())
	g.e.m.behind.Set(time.Since(time.UnixMilli(slot)).Seconds())
	return nil
}

func (g *group) evaluateRule(ctx context.Context, r *ruleRun, slot int64, late bool) {
	start := time.Now()
	vectors, err := g.query(ctx, r, slot)
	if ctx.Err() != nil {
		return // stopped: it says nothing about the rule
	}
	if r.Record {
		if err == nil {
			err = g.record(r, vectors[0], slot)
		}
	} else {
		err = g.alerting(ctx, r, vectors, err, slot, late)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case err == nil:
		r.failing = 0
		g.e.evaluated.Inc()
	case r.failing == 0:
		r.failing = slot
		fallthrough
	default:
		g.e.failed.Inc()
		g.e.log.Debug("a rule failed", "tenant", g.tenant, "group", g.key, "rule", r.Name, "error", err)
	}
	r.err, r.lastEval, r.duration = err, start, time.Since(start)
}

// query asks all expressions of a rule.
func (g *group) query(ctx context.Context, r *ruleRun, slot int64) ([]promql.Vector, error) {
	lane := g.e.fast
	if r.slow {
		lane = g.e.slow
	}
	select {
	case lane <- struct{}{}:
		defer func() { <-lane }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	asked := time.Now() // waiting for a lane is not the rule's fault
	defer func() { r.slow = time.Since(asked) >= time.Duration(g.e.cfg.SlowAfter) }()
	if r.seed != 0 {
		g.seed(ctx, r)
	}
	vectors := make([]promql.Vector, len(r.Exprs))
	for i, expr := range r.Exprs {
		v, err := g.ask(ctx, r.Language, expr, time.UnixMilli(slot).Add(-g.offset))
		if err != nil {
			return nil, err
		}
		vectors[i] = v
	}
	return vectors, nil
}

func (g *group) ask(ctx context.Context, lang rules.Language, expr string, at time.Time) (promql.Vector, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(g.e.cfg.QueryTimeout))
	defer cancel()
	v, err := g.e.o.Query(ctx, g.tenant, lang, expr, at)
	if err != nil {
		return nil, fmt.Errorf("query failed: %w", err)
	}
	if max := g.e.cfg.MaxSeries; len(v) > max {
		return nil, fmt.Errorf("query gives %d series, more than alerting.evaluation.max_series (%d)", len(v), max)
	}
	return v, nil
}

// seed learns which series there were at the last evaluation before a restart,
// so that one which vanished meanwhile is missed.
func (g *group) seed(ctx context.Context, r *ruleRun) {
	for _, expr := range r.Exprs {
		v, err := g.ask(ctx, r.Language, expr, time.UnixMilli(r.seed).Add(-g.offset))
		if err != nil {
			continue // then only alerts that were stored are missed
		}
		g.mu.Lock()
		for _, s := range v {
			r.find(s.Metric).Seen = r.seed
		}
		g.mu.Unlock()
	}
	r.seed = 0
}

var (
	errDuplicateSeries = errors.New("two series have the same labels once the metric name is dropped")
	errDuplicateAlert  = errors.New("two alerts have the same labels once the rule's labels are applied")
	errDuplicateRecord = errors.New("two series have the same labels once the rule's labels are applied")
)
