package metrics

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/teststorage"
	"github.com/stretchr/testify/require"

	"github.com/watchfire/watchfire/storage/engine/enginetest"
	"github.com/watchfire/watchfire/telemetry"
)

// BenchmarkWrite pushes 10,000 samples of as many known series at a time, as
// remote write does: into our writer, engine included, and into Prometheus'
// own storage with its write-ahead log.
func BenchmarkWrite(b *testing.B) {
	b.Run("ours", func(b *testing.B) {
		tenant := enginetest.Tenant(b)
		w := startWriter(b, DefaultConfig(), WriterOptions{})
		benchmarkWrite(b, func(m *telemetry.Metrics) error {
			_, err := w.WriteMetrics(b.Context(), tenant, *m)
			return err
		})
	})
	b.Run("prometheus", func(b *testing.B) {
		s := teststorage.New(b)
		benchmarkWrite(b, func(m *telemetry.Metrics) error {
			app := s.AppenderV2(b.Context())
			for i := range m.Series {
				if _, err := app.Append(0, m.Series[i].Labels, 0, m.Series[i].Samples[0].T, m.Series[i].Samples[0].V, nil, nil, storage.AOptions{}); err != nil {
					return err
				}
			}
			return app.Commit()
		})
	})
}

func benchmarkWrite(b *testing.B, push func(*telemetry.Metrics) error) {
	const series = 200_000
	pushes := make([]telemetry.Metrics, 20)
	values := make([]float64, series)
	for i := range series {
		p := &pushes[i*len(pushes)/series]
		p.Series = append(p.Series, telemetry.Series{
			Labels:  labels.FromStrings("__name__", fmt.Sprintf("metric_%d", i%500), "cluster", "c1", "instance", fmt.Sprintf("10.0.%d.%d:9100", i/65536, i/256%256), "job", "node", "device", fmt.Sprintf("sd%d", i%256)),
			Samples: make([]telemetry.Sample, 1),
		})
	}
	now := time.Now().Add(-time.Hour).UnixMilli()
	r := rand.New(rand.NewPCG(1, 1))
	fill := func() {
		now += 15_000
		n := 0
		for i := range pushes {
			for j := range pushes[i].Series {
				values[n] += float64(r.IntN(3) * n % 1000)
				pushes[i].Series[j].Samples[0] = telemetry.Sample{T: now, V: values[n]}
				n++
			}
		}
	}
	all := func() {
		errs := make(chan error)
		for i := range pushes {
			go func() { errs <- push(&pushes[i]) }()
		}
		for range pushes {
			require.NoError(b, <-errs)
		}
	}
	fill()
	all() // series become known
	b.ReportAllocs()
	own, total := cpuSeconds(b)
	for b.Loop() {
		fill()
		all()
	}
	ownAfter, totalAfter := cpuSeconds(b)
	samples := float64(b.N) * series
	b.ReportMetric(samples/b.Elapsed().Seconds(), "samples/s")
	b.ReportMetric(samples/(totalAfter-total), "samples/cpu-s")
	b.ReportMetric((ownAfter-own)/samples*1e6, "go-cpu-s/Msamples")
	b.ReportMetric((totalAfter-total-ownAfter+own)/samples*1e6, "engine-cpu-s/Msamples")
}
