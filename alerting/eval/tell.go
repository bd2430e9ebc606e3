package eval

import (
	"context"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/watchfire/watchfire/alerting/rules"
)

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
