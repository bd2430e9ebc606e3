package metrics

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"
	"github.com/prometheus/prometheus/util/teststorage"
	"github.com/stretchr/testify/require"
)

// The differential test holds our storage and push-down against Prometheus'
// own storage and engine, on the same random samples.

// shapes are queries as dashboards and rules have them.
func shapes() []string {
	var out []string
	for _, f := range []string{"rate", "increase", "delta", "irate", "idelta", "deriv", "changes", "resets", "last_over_time", "first_over_time", "avg_over_time", "min_over_time", "max_over_time",
		"sum_over_time", "count_over_time", "stddev_over_time", "present_over_time", "absent_over_time", "mad_over_time", "ts_of_max_over_time"} {
		out = append(out, fmt.Sprintf("%s(c[2m])", f), fmt.Sprintf("%s(g[90s])", f), fmt.Sprintf("%s(c{job=~\"j1|j2\"}[5m] offset 1m)", f))
	}
	for _, a := range []string{"sum", "avg", "min", "max", "count", "group", "stddev"} {
		out = append(out, fmt.Sprintf("%s(rate(c[2m]))", a), fmt.Sprintf("%s by (job) (rate(c[5m]))", a), fmt.Sprintf("%s without (instance) (increase(c[3m]))", a),
			fmt.Sprintf("%s by (job, nothing) (g)", a), fmt.Sprintf("%s(g)", a))
	}
	return append(out,
		"c", "g", "h", `{__name__=~"c|g"}`, `{job="j1"}`, `c{job!="j1"}`, `c{job!~"j1|j2",instance=~"i.*"}`, `c{nothing=""}`, `c{nothing="x"}`, `c{instance=~"i[0-2]"}`,
		"c offset 2m", "c offset -2m", "c @ start()", "rate(c[2m] @ end())", "c > 100", "g == bool 5", "-g", "abs(g)", "clamp(g, 1, 5)", "time() - timestamp(c)",
		"topk(3, rate(c[2m]))", "bottomk by (job) (1, g)", "quantile(0.9, g)", "quantile_over_time(0.5, g[2m])", "count_values(\"v\", changes(g[2m]))",
		"sum(rate(c[2m])) / sum(rate(c[5m]))", "rate(c[2m]) / on (instance, job) g", "c and on (job) g{instance=\"i1\"}", "c unless c{job=\"j1\"}", "g or c", "sum by (job) (rate(c[2m])) > 3",
		"histogram_quantile(0.9, sum by (le) (rate(b_bucket[2m])))", "histogram_quantile(0.5, sum by (le, job) (rate(b_bucket[5m])))", "histogram_quantile(0.9, rate(h[2m]))", "histogram_quantile(0.9, sum(rate(h[2m])))",
		"histogram_count(h)", "histogram_sum(rate(h[2m]))", "histogram_avg(rate(h[2m]))", "histogram_fraction(0, 1, rate(h[3m]))", "sum(h)", "rate(h[2m])", "increase(h[5m])", "h * 2", "count(h)",
		"max_over_time(rate(c[1m])[5m:30s])", "sum_over_time(g[5m:20s])", "avg_over_time(sum(rate(c[1m]))[3m:])", "rate(c[1m:10s])", "predict_linear(g[3m], 600)", "double_exponential_smoothing(g[3m], 0.5, 0.5)",
		"absent(c)", "absent(nosuch)", "absent_over_time(c{instance=\"i9\"}[5m])", "scalar(sum(g))", "vector(1)", "label_replace(c, \"x\", \"$1\", \"instance\", \"i(.*)\")", "label_join(g, \"x\", \"-\", \"job\", \"instance\")",
		"sort_desc(g)", "hour(c)", "sum(c) by (job) * on (job) group_left () count by (job) (g)", "limit_ratio(0.5, c)",
		"rate(c[45s])", "rate(c[10s])", "increase(c[1h])", "rate(c[7m] offset 30s)", "rate(c[2m] smoothed)", "rate(c[2m] anchored)",
	)
}

// fill appends the same random samples to all of the storages.
func fill(t testing.TB, seed uint64, start int64, n int, into ...storage.Storage) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	apps := make([]storage.AppenderV2, len(into))
	for i, s := range into {
		apps[i] = s.AppenderV2(t.Context())
	}
	appendAll := func(ls labels.Labels, ts int64, v float64, native int64) {
		for _, a := range apps {
			var err error
			if native > 0 {
				_, err = a.Append(0, ls, 0, ts, 0, tsdbutil.GenerateTestHistogram(native), nil, storage.AOptions{})
			} else {
				_, err = a.Append(0, ls, 0, ts, v, nil, nil, storage.AOptions{})
			}
			require.NoError(t, err)
		}
	}
	for j := range 3 {
		for i := range 4 {
			id := []string{"job", fmt.Sprintf("j%d", j), "instance", fmt.Sprintf("i%d", i)}
			name := func(n string, more ...string) labels.Labels {
				return labels.FromStrings(append(append([]string{"__name__", n}, id...), more...)...)
			}
			counter, gauge, native := 0.0, 5.0, int64(1)
			buckets := make([]float64, 4)
			gone := r.IntN(n)
			for k := range n {
				ts := start + int64(k)*15_000 + int64(r.IntN(200)) + int64(i*500)
				if r.IntN(20) == 0 || i == 3 && k > gone && k < gone+30 {
					continue // missed scrapes, and a target that was away
				}
				counter += float64(r.IntN(50)) / float64(1+j*9)
				if r.IntN(60) == 0 {
					counter = float64(r.IntN(3)) // a restart
				}
				gauge = math.Round((gauge+r.NormFloat64())*100) / 100
				native += int64(r.IntN(3))
				if r.IntN(80) == 0 {
					native = 1
				}
				appendAll(name("c"), ts, counter, 0)
				appendAll(name("g"), ts, special(r, gauge), 0)
				appendAll(name("h"), ts, 0, native)
				for b, le := range []string{"0.1", "1", "10", "+Inf"} {
					for c := b; c < 4; c++ {
						buckets[c] += float64(r.IntN(3))
					}
					appendAll(name("b_bucket", "le", le), ts, buckets[b], 0)
				}
				if i == 3 && k == gone {
					appendAll(name("c"), ts+1, math.Float64frombits(value.StaleNaN), 0)
				}
			}
		}
	}
	for _, a := range apps {
		require.NoError(t, a.Commit())
	}
}

// special is sometimes not a number.
func special(r *rand.Rand, v float64) float64 {
	switch r.IntN(100) {
	case 0:
		return math.NaN()
	case 1:
		return math.Inf(1)
	case 2:
		return math.Pi * v
	}
	return v
}

func TestDifferential(t *testing.T) {
	ours := newTenantStorage(t)
	theirs := teststorage.New(t, func(o *tsdb.Options) {
		o.EnableSTStorage = true
		o.FloatChunkEncoding = chunkenc.EncXOR2
		o.EnableHistogramSTEncoding = true
		o.EnableExemplarStorage = false
	})
	const n = 120
	start := time.Date(2024, 2, 29, 23, 45, 0, 0, time.UTC) // the range crosses a month
	fill(t, 7, start.UnixMilli(), n, ours, theirs)
	engine := NewEngine(DefaultQueryConfig(), testStore(t), EngineOptions{})
	defer engine.Close()
	end := start.Add(n * 15 * time.Second)
	for _, expr := range shapes() {
		t.Run(expr, func(t *testing.T) {
			for _, step := range []time.Duration{15 * time.Second, 47 * time.Second, 5 * time.Minute} {
				a := execute(t, engine, ours, expr, start.Add(-time.Minute), end.Add(6*time.Minute), step)
				b := execute(t, engine.engine, theirs, expr, start.Add(-time.Minute), end.Add(6*time.Minute), step)
				same(t, b, a, step)
			}
			at := start.Add(13 * time.Minute)
			same(t, execute(t, engine.engine, theirs, expr, at, at, 0), execute(t, engine, ours, expr, at, at, 0), 0)
		})
	}
}

// same fails with the first line that differs.
func same(t *testing.T, want, got string, step time.Duration) {
	t.Helper()
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		require.Equal(t, w[i], g[i], "line %d of %d, step %s", i+1, len(w), step)
	}
	require.Equal(t, len(w), len(g), "lines, step %s", step)
}

// execute runs a query and writes its result down, sorted, with floats to 12
// digits: sums over other orders of series differ in the last bits.
func execute(t testing.TB, e promql.QueryEngine, q storage.Queryable, expr string, start, end time.Time, step time.Duration) string {
	t.Helper()
	var (
		query promql.Query
		err   error
	)
	if step == 0 {
		query, err = e.NewInstantQuery(context.Background(), q, nil, expr, start)
	} else {
		query, err = e.NewRangeQuery(context.Background(), q, nil, expr, start, end, step)
	}
	require.NoError(t, err)
	defer query.Close()
	res := query.Exec(t.Context())
	require.NoError(t, res.Err)
	var lines []string
	switch v := res.Value.(type) {
	case promql.Matrix:
		for _, s := range v {
			var b strings.Builder
			b.WriteString(s.Metric.String())
			for _, p := range s.Floats {
				fmt.Fprintf(&b, "\n  %d %.12g", p.T, p.F)
			}
			for _, p := range s.Histograms {
				fmt.Fprintf(&b, "\n  %d count:%.12g sum:%.12g %d", p.T, p.H.Count, p.H.Sum, len(p.H.PositiveBuckets))
			}
			lines = append(lines, b.String())
		}
	case promql.Vector:
		for _, s := range v {
			if s.H != nil {
				lines = append(lines, fmt.Sprintf("%s %d count:%.12g sum:%.12g", s.Metric, s.T, s.H.Count, s.H.Sum))
				continue
			}
			lines = append(lines, fmt.Sprintf("%s %d %.12g", s.Metric, s.T, s.F))
		}
	default:
		lines = []string{res.Value.String()}
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}
