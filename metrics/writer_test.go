package metrics

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"
	"github.com/stretchr/testify/require"

	"github.com/watchfire/watchfire/storage/engine/enginetest"
	"github.com/watchfire/watchfire/telemetry"
)

// reasons counts the rejections of an outcome.
func reasons(o telemetry.Outcome) map[string]int {
	out := map[string]int{}
	for _, r := range o.Rejected {
		out[r.Reason] = r.Count
	}
	return out
}

func TestBadInputIsRefusedAndTheRestKept(t *testing.T) {
	now := time.Now()
	w := startWriter(t, DefaultConfig(), WriterOptions{Now: func() time.Time { return now }})
	tenant, ms := enginetest.Tenant(t), now.UnixMilli()
	one := func(t int64, ls ...string) telemetry.Series {
		return telemetry.Series{Labels: labels.FromStrings(ls...), Samples: []telemetry.Sample{{T: t, V: 1}}}
	}
	many := []string{"__name__", "many"}
	for i := range 200 {
		many = append(many, "l"+strings.Repeat("x", i), "v")
	}
	h := tsdbutil.GenerateTestHistogram(1)
	h.Count = 1 // fewer than in its buckets
	out, err := w.WriteMetrics(t.Context(), tenant, telemetry.Metrics{Series: []telemetry.Series{
		one(ms, "__name__", "good"),
		one(ms-14*30*24*3600_000, "__name__", "old"),
		one(ms+11*60_000, "__name__", "ahead"),
		one(ms, "job", "nameless"),
		one(ms),
		one(ms, "__name__", "big", "l", strings.Repeat("x", 1<<20)),
		one(ms, "__name__", "big", strings.Repeat("x", 2000), "v"),
		one(ms, "__name__", "bad", "l", "\xff"),
		one(ms, "__name__", "bad", "\xff", "v"),
		one(ms, many...),
		{Labels: labels.New(labels.Label{Name: "__name__", Value: "twice"}, labels.Label{Name: "a", Value: "1"}, labels.Label{Name: "a", Value: "2"}), Samples: []telemetry.Sample{{T: ms}}},
		{Labels: labels.New(labels.Label{Name: "", Value: "empty"}, labels.Label{Name: "__name__", Value: "x"}), Samples: []telemetry.Sample{{T: ms}}},
		{Labels: labels.FromStrings("__name__", "h"), Histograms: []telemetry.HistogramSample{{T: ms, Int: h}, {T: ms}, {T: ms, Int: tsdbutil.GenerateTestHistogram(2)}}},
		{Labels: labels.FromStrings("__name__", "e"), Samples: []telemetry.Sample{{T: ms}}, Exemplars: []telemetry.Exemplar{{T: ms, Labels: labels.FromStrings("trace_id", strings.Repeat("x", 200))}}},
	}})
	require.NoError(t, err)
	require.Equal(t, map[string]int{
		reasonTooOld: 1, reasonTooFarAhead: 1, reasonNoName: 1, reasonNoLabels: 1, reasonLabelValueLong: 1, reasonLabelNameLong: 1,
		reasonLabelValue: 1, reasonLabelName: 2, reasonTooManyLabels: 1, reasonDuplicateLabel: 1, reasonHistogram: 2, reasonExemplar: 1,
	}, reasons(out))
	require.Equal(t, 3, out.Accepted)
	for _, r := range out.Rejected {
		require.NotEmpty(t, r.Detail)
		require.Less(t, len(r.Detail), 1000)
	}
	require.Contains(t, out.Message(), "metrics.limits.max_label_value")
	require.Len(t, readAll(t, tenant, ms, ms), 3)
}

// readAll reads every series of a tenant.
func readAll(t testing.TB, tenant string, mint, maxt int64) []*series {
	t.Helper()
	all := labels.MustNewMatcher(labels.MatchRegexp, labels.MetricName, ".*")
	out, _, err := testStore(t).read(t.Context(), selection{tenant: tenant, mint: mint, maxt: maxt, matchers: []*labels.Matcher{all}}, nil)
	require.NoError(t, err)
	return out
}

func TestDuplicatesAndDisorder(t *testing.T) {
	tenant, ls := enginetest.Tenant(t), labels.FromStrings("__name__", "m")
	w, now := testWriter(t), time.Now().UnixMilli()
	push := func(samples ...telemetry.Sample) telemetry.Outcome {
		out, err := w.WriteMetrics(t.Context(), tenant, telemetry.Metrics{Series: []telemetry.Series{{Labels: ls, Samples: samples}}})
		require.NoError(t, err)
		return out
	}
	require.Empty(t, push(telemetry.Sample{T: now, V: 1}).Rejected)
	require.Empty(t, push(telemetry.Sample{T: now, V: 1}).Rejected, "the same again")
	out := push(telemetry.Sample{T: now, V: 2}, telemetry.Sample{T: now + 1, V: 3})
	require.Equal(t, map[string]int{reasonDuplicate: 1}, reasons(out))
	require.Equal(t, 1, out.Accepted)
	require.Empty(t, push(telemetry.Sample{T: now - 1000, V: 0.5}).Rejected, "out of order")
	require.Empty(t, push(telemetry.Sample{T: now + 2, V: math.Float64frombits(value.StaleNaN)}).Rejected)

	got := readAll(t, tenant, now-2000, now+2000)
	require.Len(t, got, 1)
	require.Equal(t, []int64{now - 1000, now, now + 1, now + 2}, got[0].runs[0].t)
	require.Equal(t, []float64{0.5, 1, 3}, got[0].runs[0].v[:3])
	require.True(t, value.IsStaleNaN(got[0].runs[0].v[3]))
}

func TestLabelsAreBroughtToNormalForm(t *testing.T) {
	tenant, now := enginetest.Tenant(t), time.Now().UnixMilli()
	write(t, tenant,
		telemetry.Series{Labels: labels.New(labels.Label{Name: "z", Value: "1"}, labels.Label{Name: "__name__", Value: "m"}, labels.Label{Name: "empty", Value: ""}), Samples: []telemetry.Sample{{T: now, V: 1}}},
		telemetry.Series{Labels: labels.FromStrings("__name__", "m", "z", "1"), Samples: []telemetry.Sample{{T: now + 1, V: 2}}})
	got := readAll(t, tenant, now, now+1)
	require.Len(t, got, 1)
	require.Equal(t, labels.FromStrings("__name__", "m", "z", "1"), got[0].Labels())
}

func TestSeriesLimit(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Limits.MaxSeries = 3
	w := startWriter(t, cfg, WriterOptions{})
	tenant, now := enginetest.Tenant(t), time.Now().UnixMilli()
	var m telemetry.Metrics
	for _, i := range []string{"1", "2", "3", "4", "5"} {
		m.Series = append(m.Series, floats(labels.FromStrings("__name__", "m", "i", i), now, time.Second, 1))
	}
	for range 2 {
		out, err := w.WriteMetrics(t.Context(), tenant, m)
		require.NoError(t, err)
		require.Equal(t, map[string]int{reasonSeriesLimit: 2}, reasons(out))
		require.Contains(t, out.Message(), "metrics.limits.max_series")
	}
	require.Equal(t, 3, w.active.count(tenant, dayAt(now)))
	out, err := w.WriteMetrics(t.Context(), enginetest.Tenant(t), telemetry.Metrics{Series: m.Series[:3]})
	require.NoError(t, err)
	require.Empty(t, out.Rejected, "another tenant has a limit of its own")
}

func TestSeriesAreFoundOnTheirDaysOnly(t *testing.T) {
	tenant := enginetest.Tenant(t)
	at := func(s string) int64 {
		ts, err := time.Parse(time.DateOnly, s)
		require.NoError(t, err)
		return ts.UnixMilli()
	}
	write(t, tenant,
		floats(labels.FromStrings("__name__", "a"), at("2024-01-31"), 24*time.Hour, 1, 2), // two months
		floats(labels.FromStrings("__name__", "b"), at("2024-02-10"), time.Hour, 1),
		floats(labels.FromStrings("__name__", "c"), -5, time.Millisecond, 1, 2),
		floats(labels.FromStrings("__name__", "d"), 1<<50, time.Millisecond, 1, 2))
	q, err := testStore(t).Queryable(fixed(tenant)).Querier(at("2024-01-31"), at("2024-01-31")+1000)
	require.NoError(t, err)
	names, _, err := q.LabelValues(t.Context(), "__name__", nil)
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, names)
	for _, tt := range []struct {
		mint, maxt int64
		want       int
	}{
		{at("2024-01-30"), at("2024-01-31") - 1, 0},
		{at("2024-01-01"), at("2024-12-31"), 2},
		{at("2024-02-02"), at("2024-02-28"), 1},
		{-10, -1, 1},
		{1 << 50, 1 << 51, 1},
		{minTime, maxTime, 4},
	} {
		require.Len(t, readAll(t, tenant, tt.mint, tt.maxt), tt.want, "%d-%d", tt.mint, tt.maxt)
	}
}

func TestHistogramsComeBackWhole(t *testing.T) {
	tenant, now := enginetest.Tenant(t), time.Now().UnixMilli()
	custom := tsdbutil.GenerateTestCustomBucketsHistogram(3)
	gauge := tsdbutil.GenerateTestGaugeFloatHistogram(4)
	reset := tsdbutil.GenerateTestHistogram(1)
	reset.CounterResetHint = histogram.CounterReset
	stale := &histogram.Histogram{Sum: math.Float64frombits(value.StaleNaN)}
	in := []telemetry.HistogramSample{
		{T: now, Start: now - 5, Int: tsdbutil.GenerateTestHistogram(7)},
		{T: now + 1, Int: custom},
		{T: now + 2, Float: gauge},
		{T: now + 3, Float: tsdbutil.GenerateTestFloatHistogram(9)},
		{T: now + 4, Int: reset},
		{T: now + 5, Int: stale},
	}
	write(t, tenant, telemetry.Series{Labels: labels.FromStrings("__name__", "h"), Samples: []telemetry.Sample{{T: now + 6, V: 1, Start: 3}}, Histograms: in})
	got := readAll(t, tenant, now, now+10)
	require.Len(t, got, 1)
	it := got[0].Iterator(nil)
	for i, want := range in {
		typ := it.Next()
		require.Equal(t, want.T, it.AtT())
		require.Equal(t, want.Start, it.AtST())
		if want.Float != nil {
			require.Equal(t, "floathistogram", typ.String(), i)
			_, h := it.AtFloatHistogram(nil)
			require.True(t, want.Float.Equals(h), i)
			require.Equal(t, want.Float.CounterResetHint, h.CounterResetHint)
			continue
		}
		require.Equal(t, "histogram", typ.String(), i)
		_, h := it.AtHistogram(nil)
		require.True(t, want.Int.Equals(h), i)
		if want.Int.CounterResetHint != histogram.UnknownCounterReset {
			require.Equal(t, want.Int.CounterResetHint, h.CounterResetHint)
		}
	}
	require.Equal(t, "float", it.Next().String())
	require.EqualValues(t, 3, it.AtST())
	require.Equal(t, "none", it.Next().String())
}

func TestAppenderErrorsArePrometheus(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Limits.MaxAge = time.Hour
	w := startWriter(t, cfg, WriterOptions{})
	tenant, now := enginetest.Tenant(t), time.Now().UnixMilli()
	a := w.Appendable(fixed(tenant))
	ls := labels.FromStrings("__name__", "m")
	app := a.AppenderV2(t.Context())
	ref, err := app.Append(0, ls, 0, now, 1, nil, nil, storage.AOptions{})
	require.NoError(t, err)
	require.NotZero(t, ref)
	require.NoError(t, app.Commit())
	require.Error(t, app.Commit(), "an appender serves once")

	app = a.AppenderV2(t.Context())
	_, err = app.Append(ref, ls, 0, now, 2, nil, nil, storage.AOptions{})
	require.ErrorIs(t, err, storage.ErrDuplicateSampleForTimestamp)
	_, err = app.Append(ref, ls, 0, now-2*3600_000, 2, nil, nil, storage.AOptions{})
	require.ErrorIs(t, err, storage.ErrTooOldSample)
	_, err = app.Append(ref, ls, 0, now+3600_000, 2, nil, nil, storage.AOptions{})
	require.ErrorIs(t, err, storage.ErrOutOfBounds)
	_, err = app.Append(ref, ls, 0, now-1, 2, nil, nil, storage.AOptions{RejectOutOfOrder: true})
	require.ErrorIs(t, err, storage.ErrOutOfOrderSample)
	_, err = app.Append(ref, ls, 0, now+1, 2, nil, nil, storage.AOptions{})
	require.NoError(t, err)
	require.NoError(t, app.Rollback())
	require.Len(t, readAll(t, tenant, now, now+5)[0].runs[0].t, 1, "rolled back")
}

func TestConfigValidate(t *testing.T) {
	require.NoError(t, DefaultConfig().Validate())
	c := DefaultConfig()
	c.Limits.MaxLabels, c.KnownSeries, c.Query.Timeout = -1, 0, 0
	err := c.Validate()
	for _, knob := range []string{"metrics.limits.max_labels", "metrics.known_series", "metrics.query.timeout"} {
		require.ErrorContains(t, err, knob)
	}
	require.True(t, errors.Unwrap(err) == nil)
}

func TestWarm(t *testing.T) {
	tenant, now := enginetest.Tenant(t), time.Now().UnixMilli()
	ls := labels.FromStrings("__name__", "m")
	write(t, tenant, floats(ls, now, time.Second, 1), floats(labels.FromStrings("__name__", "old"), now-3*msPerDay, time.Second, 1))
	w := NewWriter(testConfig(), enginetest.Client(t), WriterOptions{})
	require.NoError(t, w.Warm(t.Context(), enginetest.Client(t)))
	require.Equal(t, 1, w.active.count(tenant, dayAt(now)))
	p := w.begin(tenant)
	defer w.end(p)
	p.add(floats(ls, now+1, time.Second, 1), func(r *rejection, _ int) { t.Error(r) })
	require.Empty(t, p.fresh, "known already")
}
