package metrics

import (
	"cmp"
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/watchfire/watchfire/telemetry"
)

// series is a storage.Series in memory.
type series struct {
	labels labels.Labels
	runs   []run // as they were read; one, sorted and without duplicates, after settle
	hists  []telemetry.HistogramSample
}

// run is a stretch of float samples. st is nil when no sample has a start
// timestamp.
type run struct {
	t  []int64
	v  []float64
	st []int64
}

// Labels implements storage.Series.
func (s *series) Labels() labels.Labels { return s.labels }

// settle brings the samples in order of time, and collapses those of one time
// to one: a push may be stored twice when its sender did not hear of it. It
// reports whether there are any from mint on; earlier histograms were read only
// to tell what follows them.
func (s *series) settle(mint int64) bool {
	if len(s.runs) > 1 || len(s.runs) == 1 && !ascending(s.runs[0].t) {
		s.runs = []run{merge(s.runs)}
	}
	if len(s.hists) > 1 {
		slices.SortStableFunc(s.hists, func(a, b telemetry.HistogramSample) int { return cmp.Compare(a.T, b.T) })
		s.hists = slices.CompactFunc(s.hists, func(a, b telemetry.HistogramSample) bool { return a.T == b.T })
	}
	settleHints(s.hists, s.floatTimes())
	for len(s.hists) > 0 && s.hists[0].T < mint {
		s.hists = s.hists[1:]
	}
	return len(s.runs) > 0 || len(s.hists) > 0
}

// floatTimes are the times of the float samples, once they are one run.
func (s *series) floatTimes() []int64 {
	if len(s.runs) == 0 {
		return nil
	}
	return s.runs[0].t
}

// ascending tells that times strictly ascend.
func ascending(t []int64) bool {
	for i := 1; i < len(t); i++ {
		if t[i] <= t[i-1] {
			return false
		}
	}
	return true
}

// merge joins runs. Of samples with one time it keeps the same one whatever
// the order in which they were read.
func merge(runs []run) run {
	slices.SortFunc(runs, func(a, b run) int { return cmp.Compare(a.t[0], b.t[0]) })
	var n int
	for _, r := range runs {
		n += len(r.t)
	}
	out := run{t: make([]int64, 0, n), v: make([]float64, 0, n)}
	if runs[0].st != nil {
		out.st = make([]int64, 0, n)
	}
	for _, r := range runs {
		out.t, out.v, out.st = append(out.t, r.t...), append(out.v, r.v...), append(out.st, r.st...)
	}
	if ascending(out.t) {
		return out
	}
	return out.sorted()
}

func (r run) sorted() run {
	order := make([]int, len(r.t))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		if c := cmp.Compare(r.t[a], r.t[b]); c != 0 {
			return c
		}
		return cmp.Compare(rank(r.v[a]), rank(r.v[b]))
	})
	out := run{t: make([]int64, 0, len(r.t)), v: make([]float64, 0, len(r.t))}
	for _, i := range order {
		if n := len(out.t); n > 0 && out.t[n-1] == r.t[i] {
			continue
		}
		out.t, out.v = append(out.t, r.t[i]), append(out.v, r.v[i])
		if r.st != nil {
			out.st = append(out.st, r.st[i])
		}
	}
	return out
}

// rank orders the values of one time: a value goes before a stale marker.
func rank(v float64) uint64 {
	if value.IsStaleNaN(v) {
		return math.MaxUint64
	}
	return math.Float64bits(v)
}

// Iterator implements storage.Series.
func (s *series) Iterator(it chunkenc.Iterator) chunkenc.Iterator {
	if len(s.hists) == 0 {
		floats, ok := it.(*floatIterator)
		if !ok {
			floats = &floatIterator{}
		}
		*floats = floatIterator{run: s.runs[0], at: -1}
		return floats
	}
	mixed, ok := it.(*mixedIterator)
	if !ok {
		mixed = &mixedIterator{}
	}
	*mixed = mixedIterator{hists: s.hists, atHist: -1}
	if len(s.runs) > 0 {
		mixed.floats = s.runs[0]
	}
	return mixed
}
