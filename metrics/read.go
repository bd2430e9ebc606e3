package metrics

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
	"golang.org/x/sync/errgroup"

	wstorage "github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/telemetry"
)

// read gets the series of a selection with their samples, sorted by labels.
func (s *Store) read(ctx context.Context, sel selection, hints *storage.SelectHints) ([]*series, annotations.Annotations, error) {
	if sel.mint > sel.maxt {
		return nil, nil, nil
	}
	limit, truncate := s.cfg.MaxSeries, false
	if hints != nil && hints.Limit > 0 && (limit == 0 || hints.Limit < limit) {
		limit, truncate = hints.Limit+1, true
	}
	f, err := s.findSeries(ctx, sel, limit, truncate)
	if err != nil || len(f.series) == 0 {
		return nil, nil, err
	}
	var warnings annotations.Annotations
	if truncate && len(f.series) > hints.Limit {
		f = newFound(f.series[:hints.Limit])
		warnings.Add(fmt.Errorf("results truncated due to limit %d", hints.Limit))
	}
	if hints != nil && hints.ShardCount > 0 {
		f = f.shard(hints.ShardCount, hints.ShardIndex)
	}
	out := make([]*series, len(f.series))
	for i := range out {
		out[i] = &series{labels: f.series[i].labels}
	}
	if hints != nil && hints.Func == "series" {
		return out, warnings, nil // the API asks for labels only
	}
	err = s.readSamples(ctx, sel, f, out)
	return withSamples(out, sel.mint), warnings, err
}

// shard are the series of one shard.
func (f *found) shard(count, index uint64) *found {
	var kept []foundSeries
	for _, fs := range f.series {
		if labels.StableHash(fs.labels)%count == index {
			kept = append(kept, fs)
		}
	}
	return newFound(kept)
}

// newFound indexes series.
func newFound(series []foundSeries) *found {
	f := &found{series: series, index: make(map[proto.UInt128]int32, len(series))}
	for i := range series {
		f.index[series[i].id] = int32(i)
	}
	return f
}

// readSamples reads floats and histograms side by side.
func (s *Store) readSamples(ctx context.Context, sel selection, f *found, out []*series) error {
	where := sel.rowsWhere(f) + " SETTINGS " + sel.settings(f)
	kinds := f.kinds()
	var (
		g     errgroup.Group
		total atomic.Int64
	)
	if kinds&kindFloat != 0 {
		g.Go(func() error { return s.readFloats(ctx, where, kinds&kindStart != 0, f, out, &total) })
	}
	if kinds&kindHistogram != 0 {
		sel.mint -= hintWindow
		where := sel.rowsWhere(f) + " SETTINGS " + sel.settings(f)
		g.Go(func() error { return s.readHistograms(ctx, where, f, out, &total) })
	}
	return g.Wait()
}

// readFloats keeps the columns of the blocks as they come, and gives each
// series its stretches of them.
func (s *Store) readFloats(ctx context.Context, where string, withStart bool, f *found, out []*series, total *atomic.Int64) error {
	var (
		ids       proto.ColUInt128
		times     proto.ColInt64
		mantissas proto.ColInt64
		scales    proto.ColUInt8
		starts    proto.ColInt64
		columns   = "series, time, mantissa, scale"
		result    = proto.Results{{Name: "series", Data: &ids}, {Name: "time", Data: &times}, {Name: "mantissa", Data: &mantissas}, {Name: "scale", Data: &scales}}
	)
	if withStart {
		columns += ", start"
		result = append(result, proto.ResultColumn{Name: "start", Data: &starts})
	}
	_, err := s.client.Select(ctx, wstorage.Select{
		SQL:    fmt.Sprintf("SELECT %s FROM %s WHERE %s", columns, samplesTable.Name, where),
		Result: result,
		OnBlock: func(n int) error {
			if err := s.count(total, n); err != nil {
				return err
			}
			values := decodeDecimals(mantissas, scales)
			stretches(ids[:n], f.index, func(at int32, from, to int) {
				r := run{t: times[from:to:to], v: values[from:to:to]}
				if withStart {
					r.st = starts[from:to:to]
				}
				out[at].runs = append(out[at].runs, r)
			})
			times, starts = nil, nil // they belong to the series now
			return nil
		},
	})
	return err
}

// count fails when a query holds more samples than it may.
func (s *Store) count(total *atomic.Int64, n int) error {
	if have := total.Add(int64(n)); s.cfg.MaxSamples > 0 && have > int64(s.cfg.MaxSamples) {
		return tooMany("samples", s.cfg.MaxSamples, "max_samples")
	}
	return nil
}

// stretches calls f for each stretch of rows of one series; rows of series
// that are not in index are left out.
func stretches(ids []proto.UInt128, index map[proto.UInt128]int32, f func(at int32, from, to int)) {
	for from := 0; from < len(ids); {
		to := from + 1
		for to < len(ids) && ids[to] == ids[from] {
			to++
		}
		if at, ok := index[ids[from]]; ok {
			f(at, from, to)
		}
		from = to
	}
}

func (s *Store) readHistograms(ctx context.Context, where string, f *found, out []*series, total *atomic.Int64) error {
	var (
		ids           proto.ColUInt128
		times, starts proto.ColInt64
		fields        = newHistogramFields()
		columns       = "series, time, start"
		result        = proto.Results{{Name: "series", Data: &ids}, {Name: "time", Data: &times}, {Name: "start", Data: &starts}}
	)
	for _, c := range fields.columns() {
		columns += ", " + c.name
		result = append(result, proto.ResultColumn{Name: c.name, Data: c.data})
	}
	_, err := s.client.Select(ctx, wstorage.Select{
		SQL:    fmt.Sprintf("SELECT %s FROM %s WHERE %s", columns, histogramsTable.Name, where),
		Result: result,
		OnBlock: func(n int) error {
			if err := s.count(total, n); err != nil {
				return err
			}
			stretches(ids[:n], f.index, func(at int32, from, to int) {
				for i := from; i < to; i++ {
					h := telemetry.HistogramSample{T: times[i], Start: starts[i]}
					h.Int, h.Float = fields.row(i)
					out[at].hists = append(out[at].hists, h)
				}
			})
			return nil
		},
	})
	return err
}

// withSamples drops the series that had none in the range, and brings the
// others' samples in order.
func withSamples(in []*series, mint int64) []*series {
	out := in[:0]
	for _, s := range in {
		if s.settle(mint) {
			out = append(out, s)
		}
	}
	return out
}
