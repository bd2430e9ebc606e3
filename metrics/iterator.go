package metrics

import (
	"sort"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/watchfire/watchfire/telemetry"
)

// floatIterator walks over float samples.
type floatIterator struct {
	run
	at int // -1 = before the first
}

// millis is a time in Unix milliseconds. By this name go vet does not take
// Prometheus' Seek for io.Seeker's.
type millis = int64

// Next implements chunkenc.Iterator.
func (it *floatIterator) Next() chunkenc.ValueType {
	if it.at+1 >= len(it.t) {
		it.at = len(it.t)
		return chunkenc.ValNone
	}
	it.at++
	return chunkenc.ValFloat
}

// Seek implements chunkenc.Iterator.
func (it *floatIterator) Seek(t millis) chunkenc.ValueType {
	from := max(it.at, 0)
	if from >= len(it.t) {
		it.at = len(it.t)
		return chunkenc.ValNone
	}
	it.at = from + seek(it.t[from:], t)
	if it.at >= len(it.t) {
		return chunkenc.ValNone
	}
	return chunkenc.ValFloat
}

// seek is the index of the first of ts that is at least t. It gallops, for
// callers mostly seek a few samples ahead.
func seek(ts []int64, t int64) int {
	step := 1
	for step < len(ts) && ts[step] < t {
		step *= 2
	}
	lo, hi := step/2, min(step+1, len(ts))
	return lo + sort.Search(hi-lo, func(i int) bool { return ts[lo+i] >= t })
}

// At implements chunkenc.Iterator.
func (it *floatIterator) At() (int64, float64) { return it.t[it.at], it.v[it.at] }

// AtT implements chunkenc.Iterator.
func (it *floatIterator) AtT() int64 { return it.t[it.at] }

// AtST implements chunkenc.Iterator.
func (it *floatIterator) AtST() int64 {
	if it.st == nil {
		return 0
	}
	return it.st[it.at]
}

// AtHistogram implements chunkenc.Iterator; there are none.
func (it *floatIterator) AtHistogram(*histogram.Histogram) (int64, *histogram.Histogram) {
	panic("metrics: AtHistogram on a float sample")
}

// AtFloatHistogram implements chunkenc.Iterator; there are none.
func (it *floatIterator) AtFloatHistogram(*histogram.FloatHistogram) (int64, *histogram.FloatHistogram) {
	panic("metrics: AtFloatHistogram on a float sample")
}

// Err implements chunkenc.Iterator.
func (it *floatIterator) Err() error { return nil }

// mixedIterator walks over floats and histograms in order of time; of both at
// one time it takes the float.
type mixedIterator struct {
	floats  run
	hists   []telemetry.HistogramSample
	atFloat int // the next float
	atHist  int // the current histogram, or the one before the next
	begun   bool
	typ     chunkenc.ValueType
}

// Next implements chunkenc.Iterator.
func (it *mixedIterator) Next() chunkenc.ValueType {
	if it.begun && it.typ == chunkenc.ValNone {
		return chunkenc.ValNone
	}
	if it.typ == chunkenc.ValFloat {
		it.atFloat++
	}
	it.begun = true
	next := it.atHist + 1
	for next < len(it.hists) && it.atFloat < len(it.floats.t) && it.hists[next].T == it.floats.t[it.atFloat] {
		it.atHist, next = next, next+1
	}
	switch {
	case it.atFloat < len(it.floats.t) && (next >= len(it.hists) || it.floats.t[it.atFloat] < it.hists[next].T):
		it.typ = chunkenc.ValFloat
	case next < len(it.hists):
		it.atHist = next
		it.typ = chunkenc.ValFloatHistogram
		if it.hists[next].Int != nil {
			it.typ = chunkenc.ValHistogram
		}
	default:
		it.typ = chunkenc.ValNone
	}
	return it.typ
}

// Seek implements chunkenc.Iterator.
func (it *mixedIterator) Seek(t millis) chunkenc.ValueType {
	if it.begun && it.typ != chunkenc.ValNone && it.AtT() >= t {
		return it.typ
	}
	for it.Next() != chunkenc.ValNone {
		if it.AtT() >= t {
			return it.typ
		}
	}
	return chunkenc.ValNone
}

// At implements chunkenc.Iterator.
func (it *mixedIterator) At() (int64, float64) {
	return it.floats.t[it.atFloat], it.floats.v[it.atFloat]
}

// AtT implements chunkenc.Iterator.
func (it *mixedIterator) AtT() int64 {
	if it.typ == chunkenc.ValFloat {
		return it.floats.t[it.atFloat]
	}
	return it.hists[it.atHist].T
}

// AtST implements chunkenc.Iterator.
func (it *mixedIterator) AtST() int64 {
	if it.typ != chunkenc.ValFloat {
		return it.hists[it.atHist].Start
	}
	if it.floats.st == nil {
		return 0
	}
	return it.floats.st[it.atFloat]
}

// AtHistogram implements chunkenc.Iterator.
func (it *mixedIterator) AtHistogram(h *histogram.Histogram) (int64, *histogram.Histogram) {
	s := &it.hists[it.atHist]
	if h == nil {
		return s.T, s.Int.Copy()
	}
	s.Int.CopyTo(h)
	return s.T, h
}

// AtFloatHistogram implements chunkenc.Iterator.
func (it *mixedIterator) AtFloatHistogram(h *histogram.FloatHistogram) (int64, *histogram.FloatHistogram) {
	s := &it.hists[it.atHist]
	switch {
	case s.Int != nil:
		return s.T, s.Int.ToFloat(h)
	case h == nil:
		return s.T, s.Float.Copy()
	}
	s.Float.CopyTo(h)
	return s.T, h
}

// Err implements chunkenc.Iterator.
func (it *mixedIterator) Err() error { return nil }
