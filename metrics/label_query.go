package metrics

import (
	"context"
	"fmt"
	"slices"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	wstorage "github.com/watchfire/watchfire/storage"
)

// LabelNames implements storage.LabelQuerier.
func (q *querier) LabelNames(ctx context.Context, hints *storage.LabelHints, ms ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	sel := selection{tenant: q.tenant(ctx), mint: q.mint, maxt: q.maxt, matchers: ms}
	if len(ms) == 0 {
		return q.s.strings(ctx, fmt.Sprintf("SELECT DISTINCT CAST(name AS String) AS x FROM %s WHERE %s ORDER BY x", labelsTable.Name, sel.labelsWhere()), hints)
	}
	return q.s.labelsOf(ctx, sel, hints, func(ls labels.Labels, add func(string)) {
		ls.Range(func(l labels.Label) { add(l.Name) })
	})
}

// LabelValues implements storage.LabelQuerier.
func (q *querier) LabelValues(ctx context.Context, name string, hints *storage.LabelHints, ms ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	sel := selection{tenant: q.tenant(ctx), mint: q.mint, maxt: q.maxt, matchers: ms}
	if ofLabel(ms, name) {
		// Conditions on the label itself need no series either.
		where := sel.labelsWhere() + " AND name = " + wstorage.String(name)
		for _, m := range ms {
			if c := valueSQL("value", m); c != "" {
				where = joinSQL(where, c)
			}
		}
		values, warnings, err := q.s.strings(ctx, fmt.Sprintf("SELECT DISTINCT value AS x FROM %s WHERE %s ORDER BY x", labelsTable.Name, where), hints)
		return slices.DeleteFunc(values, func(v string) bool { return !matchValue(v, ms) }), warnings, err
	}
	return q.s.labelsOf(ctx, sel, hints, func(ls labels.Labels, add func(string)) {
		if v := ls.Get(name); v != "" {
			add(v)
		}
	})
}

// labelsWhere is the condition on metrics_labels.
func (s selection) labelsWhere() string {
	return joinSQL("tenant = "+wstorage.String(s.tenant), daysSQL(s.mint, s.maxt))
}

// ofLabel tells that all matchers are about one label.
func ofLabel(ms []*labels.Matcher, name string) bool {
	for _, m := range ms {
		if m.Name != name {
			return false
		}
	}
	return true
}

func matchValue(v string, ms []*labels.Matcher) bool {
	for _, m := range ms {
		if !m.Matches(v) {
			return false
		}
	}
	return true
}

// strings runs a query for one column of sorted strings.
func (s *Store) strings(ctx context.Context, sql string, hints *storage.LabelHints) ([]string, annotations.Annotations, error) {
	limit := 0
	if hints != nil && hints.Limit > 0 {
		limit = hints.Limit
		sql += fmt.Sprintf(" LIMIT %d", limit+1)
	}
	out := []string{}
	var column proto.ColStr
	_, err := s.client.Select(s.limited(ctx), wstorage.Select{
		SQL:    sql,
		Result: proto.Results{{Name: "x", Data: &column}},
		OnBlock: func(n int) error {
			for i := range n {
				out = append(out, column.Row(i))
			}
			return nil
		},
	})
	if err != nil {
		return nil, nil, err
	}
	out, warnings := truncated(out, limit)
	return out, warnings, nil
}

// labelsOf gathers strings from the labels of the series that a selection
// finds, sorted and each once.
func (s *Store) labelsOf(ctx context.Context, sel selection, hints *storage.LabelHints, visit func(labels.Labels, func(string))) ([]string, annotations.Annotations, error) {
	f, err := s.findSeries(s.limited(ctx), sel, s.cfg.MaxSeries, false)
	if err != nil {
		return nil, nil, err
	}
	seen := map[string]bool{}
	for i := range f.series {
		visit(f.series[i].labels, func(v string) { seen[v] = true })
	}
	out := make([]string, 0, len(seen))
	for v := range seen {
		out = append(out, v)
	}
	slices.Sort(out)
	limit := 0
	if hints != nil {
		limit = hints.Limit
	}
	out, warnings := truncated(out, limit)
	return out, warnings, nil
}

// truncated cuts values at limit, 0 = none, and says so.
func truncated(values []string, limit int) ([]string, annotations.Annotations) {
	if limit <= 0 || len(values) <= limit {
		return values, nil
	}
	var warnings annotations.Annotations
	warnings.Add(fmt.Errorf("results truncated due to limit %d", limit))
	return values[:limit], warnings
}
