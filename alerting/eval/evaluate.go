package eval

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/prometheus/prometheus/model/labels"
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

// find is the alert of a series; it is made when there is none.
func (r *ruleRun) find(metric labels.Labels) *alert {
	h := seriesHash(metric)
	a := r.alerts[h]
	if a == nil {
		a = &alert{series: metric.DropMetricName(), graded: r.Graded, State: State{Value: math.NaN()}}
		r.alerts[h] = a
	}
	return a
}

var (
	errDuplicateSeries = errors.New("two series have the same labels once the metric name is dropped")
	errDuplicateAlert  = errors.New("two alerts have the same labels once the rule's labels are applied")
	errDuplicateRecord = errors.New("two series have the same labels once the rule's labels are applied")
)

// record makes the series of a recording rule.
func (g *group) record(r *ruleRun, v promql.Vector, slot int64) error {
	if err := overLimit(g.def.Limit, len(v), "series"); err != nil {
		return err
	}
	written := make(map[uint64]labels.Labels, len(v))
	lb := labels.NewBuilder(labels.EmptyLabels())
	for i := range v {
		lb.Reset(v[i].Metric)
		lb.Set(labels.MetricName, r.Name)
		r.Labels.Range(func(l labels.Label) { lb.Set(l.Name, l.Value) })
		ls := lb.Labels()
		h := ls.Hash()
		if _, ok := written[h]; ok {
			return errDuplicateRecord
		}
		written[h] = ls
		v[i].Metric = ls
	}
	t := slot - g.offset.Milliseconds()
	for i := range v {
		g.out.recorded(v[i], t)
	}
	g.ends(r, written, t)
	return nil
}

// ends marks the series stale that the rule no longer makes.
func (g *group) ends(r *ruleRun, written map[uint64]labels.Labels, t int64) {
	for h := range written {
		delete(r.written, h)
	}
	g.out.stale(r.written, t)
	r.written = written
}

func overLimit(limit, n int, what string) error {
	if limit > 0 && n > limit {
		return fmt.Errorf("exceeded limit of %d with %d %s", limit, n, what)
	}
	return nil
}

// changed is an alert with what an evaluation made of it.
type changed struct {
	a *alert
	t *Transition
}

// alerting steps all alerts of a rule.
func (g *group) alerting(ctx context.Context, r *ruleRun, vectors []promql.Vector, failure error, slot int64, late bool) error {
	g.mu.Lock()
	if failure == nil {
		failure = r.observe(vectors, slot, g.def.Limit)
	}
	cs := r.step(slot, late, failure)
	g.mu.Unlock()
	if err := g.expand(ctx, r, cs, slot); err != nil && failure == nil {
		failure = err
	}
	g.collect(r, cs, slot)
	return failure
}

// observe spreads the answers over the alerts.
func (r *ruleRun) observe(vectors []promql.Vector, slot int64, limit int) error {
	met := 0
	for i, v := range vectors {
		for _, s := range v {
			val := s.F
			if s.H != nil {
				val = math.NaN() // a histogram has no place on a threshold's scale
			}
			if r.meets(i, val) {
				met++
			}
		}
	}
	if err := overLimit(limit, met, "alerts"); err != nil {
		return err
	}
	for i, v := range vectors {
		for _, s := range v {
			a := r.find(s.Metric)
			if a.obsSlot != slot {
				a.obs, a.obsSlot = Observation{}, slot
			}
			val := s.F
			a.histogram = s.H
			if s.H != nil {
				val = math.NaN()
			}
			if !a.obs.Set(i, val) {
				return errDuplicateSeries
			}
		}
	}
	return nil
}

func (r *ruleRun) meets(expr int, v float64) bool {
	for i := range r.Levels {
		if l := &r.Levels[i]; l.Expr == expr && l.Op.Holds(v, l.Threshold) {
			return true
		}
	}
	return false
}

// step steps the alerts and returns those that are not idle.
func (r *ruleRun) step(slot int64, late bool, failure error) (cs []changed) {
	none := Observation{Late: late}
	if failure != nil {
		none.Failed = failure.Error()
	}
	for h, a := range r.alerts {
		o := &none
		if failure == nil && a.obsSlot == slot {
			o = &a.obs
			o.Late = late
		}
		s, t := Step(r.Rule, a.State, o, slot)
		a.State = s
		if t != nil {
			a.reason = t.Reason
			a.moved(t)
		}
		if t == nil && a.idle() {
			if o == &none && (a.Missing == 0 || slot-a.Missing >= r.Unknown.Forget.Milliseconds()) {
				r.remove(h, a)
			}
			continue
		}
		cs = append(cs, changed{a, t})
	}
	return cs
}

func (r *ruleRun) remove(h uint64, a *alert) {
	delete(r.alerts, h)
	if !a.labels.IsEmpty() {
		delete(r.byFinal, a.labels.Hash())
	}
}

// moved notes the level that was left and the one that was reached.
func (a *alert) moved(t *Transition) {
	if t.FromLevel == t.Level {
		a.sent = 0 // the same level, but known or unknown now
		return
	}
	a.end = end{}
	if t.FromLevel != rules.None {
		a.end = end{Level: t.FromLevel, Started: a.started, At: t.At, MovedTo: t.Level}
	}
	a.started, a.sent = t.At, 0
}

// expand fills in labels, when an alert needs them first, and annotations,
// when people are told. It may query, so it holds no lock.
func (g *group) expand(ctx context.Context, r *ruleRun, cs []changed, slot int64) (err error) {
	for i := 0; i < len(cs); i++ {
		a := cs[i].a
		x := g.expander(ctx, r, a, slot)
		if a.labels.IsEmpty() {
			ls := finalLabels(r.Rule, a.series, x)
			if _, taken := r.byFinal[ls.Hash()]; taken {
				err = errDuplicateAlert
				g.mu.Lock()
				r.remove(seriesHash(a.series), a)
				g.mu.Unlock()
				cs[i] = changed{}
				continue
			}
			g.mu.Lock()
			a.labels = ls
			a.id = ID(g.tenant, g.key, r.Name, ls)
			r.byFinal[ls.Hash()] = a
			g.mu.Unlock()
		}
		if a.Phase == Inactive || cs[i].t == nil && !g.due(a, slot) || a.expanded.equal(a.expansion()) {
			continue
		}
		sb := labels.NewScratchBuilder(r.Annotations.Len())
		r.Annotations.Range(func(l labels.Label) { sb.Add(l.Name, x(l.Value)) })
		g.mu.Lock()
		a.annotations, a.expanded = sb.Labels(), a.expansion()
		g.mu.Unlock()
	}
	return err
}

func (g *group) due(a *alert, slot int64) bool {
	return a.sent == 0 || slot-a.sent >= time.Duration(g.e.cfg.ResendDelay).Milliseconds()
}

// expander expands templates of an alert; their data are made when the first
// template asks for them.
func (g *group) expander(ctx context.Context, r *ruleRun, a *alert, slot int64) func(string) string {
	var d *rules.TemplateData
	return func(text string) string {
		if d == nil {
			level := a.shown()
			d = &rules.TemplateData{Labels: a.series.Map(), ExternalLabels: map[string]string{}, ExternalURL: g.e.external,
				Value: a.Value, Level: level.String()}
			if a.histogram != nil {
				d.Value = a.histogram
			}
			for i := range r.Levels {
				if r.Levels[i].Level == level {
					d.Threshold = r.Levels[i].Threshold
				}
			}
		}
		return rules.Expand(ctx, r.Name, text, d, time.UnixMilli(slot), func(ctx context.Context, q string, at time.Time) (promql.Vector, error) {
			return g.ask(ctx, rules.PromQL, q, at)
		}, g.e.o.ExternalURL)
	}
}

// collect gathers what the alerts have to hand on.
func (g *group) collect(r *ruleRun, cs []changed, slot int64) {
	t := slot - g.offset.Milliseconds()
	written := make(map[uint64]labels.Labels)
	for _, c := range cs {
		a := c.a
		if a == nil {
			continue
		}
		if c.t != nil {
			g.e.transitions[c.t.To].Inc()
			tr := *c.t
			tr.Level, tr.FromLevel = r.LevelOf(tr.Level, a.labels), r.LevelOf(tr.FromLevel, a.labels)
			g.out.entries = append(g.out.entries, Entry{ID: a.id, Rule: r.Name, Group: g.key, Labels: a.labels, Transition: tr})
		}
		if a.Phase != Inactive {
			g.out.alert(r, a, t, written)
		}
		g.tell(r, a, slot)
	}
	g.ends(r, written, t)
}

// tell hands on an alert when it changed or is due to be told again.
func (g *group) tell(r *ruleRun, a *alert, slot int64) {
	over := a.end.Level != rules.None && slot-a.end.At > time.Duration(g.e.cfg.ResolvedRetention).Milliseconds()
	if over {
		a.end = end{}
	}
	if !g.due(a, slot) || !a.told() && a.end.Level == rules.None {
		return
	}
	// The new level first: whoever looks in between sees two levels, not none.
	if a.told() {
		g.out.firing(g, r, a, slot)
	}
	if a.end.Level != rules.None {
		g.out.ended(g, g.e.link(r.Rule), a)
	}
	a.sent = slot
}
