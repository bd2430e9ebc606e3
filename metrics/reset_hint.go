package metrics

import (
	"slices"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/value"

	"github.com/watchfire/watchfire/telemetry"
)

// hintWindow is how far before a query's range histograms are read, in
// milliseconds, to know whether the first one in the range continues another.
const hintWindow = 5 * 60 * 1000

// settleHints gives histograms the counter reset hints that Prometheus'
// storage would: NotCounterReset where one continues the one before, which is
// found by comparing them, since samples may have come in any order. What a
// sender said of a reset or a gauge stays. hs and floats are in order of time.
func settleHints(hs []telemetry.HistogramSample, floats []int64) {
	var last *histogram.FloatHistogram // of the sample before, nil = not comparable
	for i := range hs {
		h := toFloat(hs[i])
		hint := h.CounterResetHint
		if hint == histogram.NotCounterReset {
			hint = histogram.UnknownCounterReset
		}
		if hint == histogram.UnknownCounterReset && i > 0 && last != nil && sameKind(hs[i-1], hs[i]) && !anyBetween(floats, hs[i-1].T, hs[i].T) {
			hint = follows(last, h)
		}
		setHint(hs[i], hint)
		last = h
		if value.IsStaleNaN(h.Sum) || hint == histogram.GaugeType {
			last = nil
		}
	}
}

// follows is the hint of h after last. Like Prometheus' storage it never calls
// a reset by its name (prometheus/prometheus#15346): what is no continuation is
// unknown, and functions compare for themselves.
func follows(last, h *histogram.FloatHistogram) histogram.CounterResetHint {
	switch {
	case value.IsStaleNaN(h.Sum):
		return histogram.NotCounterReset
	case h.Schema != last.Schema || h.ZeroThreshold != last.ZeroThreshold || !slices.Equal(h.CustomValues, last.CustomValues):
		return histogram.UnknownCounterReset
	}
	h.CounterResetHint, last.CounterResetHint = histogram.UnknownCounterReset, histogram.UnknownCounterReset
	if h.DetectReset(last) {
		return histogram.UnknownCounterReset
	}
	return histogram.NotCounterReset
}

// toFloat is the histogram in floats, for comparison; it is a copy.
func toFloat(s telemetry.HistogramSample) *histogram.FloatHistogram {
	if s.Int != nil {
		return s.Int.ToFloat(nil)
	}
	return s.Float.Copy()
}

func sameKind(a, b telemetry.HistogramSample) bool { return (a.Int != nil) == (b.Int != nil) }

func setHint(s telemetry.HistogramSample, hint histogram.CounterResetHint) {
	if s.Int != nil {
		s.Int.CounterResetHint = hint
		return
	}
	s.Float.CounterResetHint = hint
}

// anyBetween tells whether one of the sorted times lies in (from, to).
func anyBetween(times []int64, from, to int64) bool {
	i, _ := slices.BinarySearch(times, from+1)
	return i < len(times) && times[i] < to
}
