package metrics

import (
	"context"
	"fmt"
	"slices"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"

	wstorage "github.com/watchfire/watchfire/storage"
)

// exemplarQuerier reads exemplars. Its context is a field because Prometheus'
// Select has no parameter for it.
type exemplarQuerier struct {
	*Queryable
	ctx context.Context
}

// Select implements storage.ExemplarQuerier: the union of the selectors.
func (q *exemplarQuerier) Select(start, end int64, selectors ...[]*labels.Matcher) ([]exemplar.QueryResult, error) {
	var out []exemplar.QueryResult
	seen := map[proto.UInt128]bool{}
	for _, ms := range selectors {
		sel := selection{tenant: q.tenant(q.ctx), mint: clampTime(start), maxt: clampTime(end), matchers: ms}
		results, err := q.s.readExemplars(q.s.limited(q.ctx), sel, seen)
		if err != nil {
			return nil, err
		}
		out = append(out, results...)
	}
	slices.SortFunc(out, func(a, b exemplar.QueryResult) int { return labels.Compare(a.SeriesLabels, b.SeriesLabels) })
	return out, nil
}

// readExemplars reads those of the series that are not in seen yet.
func (s *Store) readExemplars(ctx context.Context, sel selection, seen map[proto.UInt128]bool) ([]exemplar.QueryResult, error) {
	f, err := s.findSeries(ctx, sel, s.cfg.MaxSeries, false)
	if err != nil || f.kinds()&kindExemplar == 0 {
		return nil, err
	}
	out := make([]exemplar.QueryResult, len(f.series))
	var (
		ids    proto.ColUInt128
		times  proto.ColInt64
		values proto.ColFloat64
		pairs  = newMapRows()
		b      = labels.NewScratchBuilder(4)
		total  int
	)
	_, err = s.client.Select(ctx, wstorage.Select{
		SQL: fmt.Sprintf("SELECT DISTINCT series, time, value, labels FROM %s WHERE %s ORDER BY series, time, value SETTINGS distributed_product_mode = 'local'",
			exemplarsTable.Name, sel.rowsWhere(f)),
		Result: proto.Results{{Name: "series", Data: &ids}, {Name: "time", Data: &times}, {Name: "value", Data: &values}, {Name: "labels", Data: &pairs}},
		OnBlock: func(n int) error {
			if total += n; s.cfg.MaxSamples > 0 && total > s.cfg.MaxSamples {
				return tooMany("exemplars", s.cfg.MaxSamples, "max_samples")
			}
			pairs.begin()
			stretches(ids[:n], f.index, func(at int32, from, to int) {
				for i := from; i < to; i++ {
					b.Reset()
					pairs.each(i, b.Add)
					out[at].Exemplars = append(out[at].Exemplars, exemplar.Exemplar{Labels: b.Labels(), Value: values[i], Ts: times[i], HasTs: true})
				}
			})
			return nil
		},
	})
	if err != nil {
		return nil, err
	}
	for i := range out {
		out[i].SeriesLabels = f.series[i].labels
	}
	for i, fs := range f.series {
		if seen[fs.id] {
			out[i].Exemplars = nil
		}
		seen[fs.id] = true
	}
	return slices.DeleteFunc(out, func(r exemplar.QueryResult) bool { return len(r.Exemplars) == 0 }), nil
}
