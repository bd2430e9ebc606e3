package eval

import (
	"fmt"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
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
