package metrics

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/util/teststorage"
	"github.com/stretchr/testify/require"

	"github.com/watchfire/watchfire/storage/engine/enginetest"
)

// BenchmarkQuery holds dashboard queries against Prometheus' engine on its own
// storage with the same samples, one side after the other, and reports the
// ratio of their times.
func BenchmarkQuery(b *testing.B) {
	for _, shape := range []struct {
		name   string
		series int
		window time.Duration
		step   time.Duration
	}{
		{"20000x1h", 20_000, time.Hour, 15 * time.Second},
		{"1000x24h", 1_000, 24 * time.Hour, 15 * time.Second},
	} {
		b.Run(shape.name, func(b *testing.B) { benchmarkQueries(b, shape.series, shape.window, shape.step) })
	}
}

func benchmarkQueries(b *testing.B, series int, window, step time.Duration) {
	theirs := teststorage.New(b, func(o *tsdb.Options) { o.OutOfOrderTimeWindow = 0 })
	tenant := enginetest.Tenant(b)
	store := NewStore(DefaultQueryConfig(), enginetest.Client(b), testWriter(b))
	ours := &tenantStorage{Appendable: testWriter(b).Appendable(fixed(tenant)), Queryable: store.Queryable(fixed(tenant))}
	start := time.Date(2024, 3, 5, 0, 0, 0, 0, time.UTC)
	load(b, series, start, window, step, ours, theirs)
	require.NoError(b, enginetest.Client(b).Exec(b.Context(), "OPTIMIZE TABLE metrics_samples FINAL"))

	cfg := DefaultQueryConfig()
	cfg.MaxSamples = 500_000_000
	engine := NewEngine(cfg, store, EngineOptions{})
	defer engine.Close()
	end := start.Add(window)
	for _, expr := range []string{
		"rate(c[5m])",
		"sum by (job) (rate(c[5m]))",
		"histogram_quantile(0.9, sum by (le) (rate(c[5m])))",
		"topk(5, rate(c[5m]))",
		"sum by (job) (c)",
		"max_over_time(c[5m])",
		"c{instance=\"i7\"}",
	} {
		b.Run(expr, func(b *testing.B) {
			first := timeQuery(b, engine, ours, expr, start, end)
			var us, them time.Duration
			for b.Loop() {
				us += timeQuery(b, engine, ours, expr, start, end)
				them += timeQuery(b, engine.engine, theirs, expr, start, end)
			}
			b.ReportMetric(us.Seconds()*1000/float64(b.N), "ours-ms")
			b.ReportMetric(them.Seconds()*1000/float64(b.N), "prometheus-ms")
			b.ReportMetric(us.Seconds()/them.Seconds(), "ratio")
			b.ReportMetric(first.Seconds()*1000, "first-ms")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// timeQuery runs a query of 250 steps.
func timeQuery(b *testing.B, e promql.QueryEngine, q storage.Queryable, expr string, start, end time.Time) time.Duration {
	begin := time.Now()
	query, err := e.NewRangeQuery(context.Background(), q, nil, expr, start, end, end.Sub(start)/250)
	require.NoError(b, err)
	defer query.Close()
	require.NoError(b, query.Exec(b.Context()).Err)
	return time.Since(begin)
}

// load appends counters to all storages.
func load(b *testing.B, series int, start time.Time, window, step time.Duration, into ...storage.Storage) {
	b.Helper()
	r := rand.New(rand.NewPCG(1, 1))
	les := []string{"0.1", "0.5", "1", "5", "+Inf"}
	ls := make([]labels.Labels, series)
	values := make([]float64, series)
	for i := range ls {
		ls[i] = labels.FromStrings("__name__", "c", "instance", fmt.Sprintf("i%d", i/50), "job", fmt.Sprintf("j%d", i%10), "le", les[i%5], "pod", fmt.Sprintf("pod-%d", i))
	}
	for at := start; !at.After(start.Add(window)); {
		apps := make([]storage.AppenderV2, len(into))
		for i, s := range into {
			apps[i] = s.AppenderV2(b.Context())
		}
		for range max(1, 200_000/series) {
			for i := range ls {
				values[i] += float64(r.IntN(100))
				for _, a := range apps {
					_, err := a.Append(0, ls[i], 0, at.UnixMilli(), values[i], nil, nil, storage.AOptions{})
					require.NoError(b, err)
				}
			}
			at = at.Add(step)
		}
		for _, a := range apps {
			require.NoError(b, a.Commit())
		}
	}
}
