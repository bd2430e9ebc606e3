package otlp

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/watchfire/watchfire/collector/collectortest"
	"github.com/watchfire/watchfire/telemetry"
)

func deltaPoint(name string, start, at int64, v float64) pmetric.Metrics {
	md := pmetric.NewMetrics()
	m := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName(name)
	s := m.SetEmptySum()
	s.SetIsMonotonic(true)
	s.SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
	d := s.DataPoints().AppendEmpty()
	d.SetStartTimestamp(pcommon.Timestamp(start * 1e6))
	d.SetTimestamp(pcommon.Timestamp(at * 1e6))
	d.SetDoubleValue(v)
	return md
}

func TestDeltaSums(t *testing.T) {
	now := time.Unix(100, 0)
	sink := &collectortest.Sink{}
	r := newReceiver(sink, func(o *Options) { o.Now = func() time.Time { return now }; o.Config.Delta.MaxSeries = 2 })
	write := func(tenant, name string, start, at int64, v float64) string {
		out, err := r.Metrics(t.Context(), tenant, "test", deltaPoint(name, start, at, v))
		if err != nil {
			t.Fatal(err)
		}
		return out.Message()
	}
	write("a", "x", 1000, 2000, 5)
	write("a", "x", 2000, 3000, 7)
	write("a", "x", 2000, 3000, 7) // the same push again: its acknowledgement was lost
	if got := write("a", "x", 1000, 2500, 7); got != `1 rejected (delta_out_of_order): delta point of "x_total" at 2500 ms is older than the series' last one at 3000 ms` {
		t.Error(got)
	}
	write("b", "x", 3000, 4000, 1) // another tenant's
	write("a", "y", 0, 4000, 1)
	if got := write("a", "z", 0, 4000, 1); got != "1 rejected (too_many_delta_series): delta series of the tenant: 3 exceeds the limit collector.otlp.delta.max_series of 2" {
		t.Error(got)
	}
	now = now.Add(2 * time.Hour)
	write("a", "y", 4000, 5000, 2)
	r.deltas.forget()
	write("a", "x", 9000, 10000, 3) // its sum is lost: a new one begins
	want := []telemetry.Sample{
		{T: 2000, Start: 1000, V: 5}, {T: 3000, Start: 1000, V: 12}, {T: 3000, Start: 1000, V: 12},
		{T: 4000, Start: 3000, V: 1}, {T: 10000, Start: 9000, V: 3},
	}
	got := sink.Series("__name__", "x_total").Samples
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("sample %d: %+v, want %+v", i, got[i], want[i])
		}
	}
	if got, want := sink.Series("__name__", "y_total").Samples[1], (telemetry.Sample{T: 5000, Start: 4000, V: 3}); got != want {
		t.Errorf("y: %+v, want %+v", got, want)
	}
	if begun, lost := testutil.ToFloat64(r.deltas.begun), testutil.ToFloat64(r.deltas.lost); begun != 4 || lost != 2 {
		t.Errorf("%v sums begun, %v lost; want 4 and 2", begun, lost)
	}
}
