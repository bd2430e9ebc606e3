package metrics

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/require"

	"github.com/watchfire/watchfire/storage/engine/enginetest"
	"github.com/watchfire/watchfire/telemetry"
)

// BenchmarkWrite pushes 10,000 samples of as many known series at a time, as
// remote write does, engine included.
func BenchmarkWrite(b *testing.B) {
	const series = 200_000
	tenant := enginetest.Tenant(b)
	w := startWriter(b, DefaultConfig(), WriterOptions{})
	pushes := make([]telemetry.Metrics, 20)
	for i := range series {
		p := &pushes[i*len(pushes)/series]
		p.Series = append(p.Series, telemetry.Series{
			Labels:  labels.FromStrings("__name__", fmt.Sprintf("metric_%d", i%500), "cluster", "c1", "instance", fmt.Sprintf("10.0.%d.%d:9100", i/65536, i/256%256), "job", "node", "device", fmt.Sprintf("sd%d", i%26)),
			Samples: make([]telemetry.Sample, 1),
		})
	}
	now := time.Now().Add(-time.Hour).UnixMilli()
	push := func(p *telemetry.Metrics) error {
		_, err := w.WriteMetrics(b.Context(), tenant, *p)
		return err
	}
	fill := func() {
		now += 15_000
		for i := range pushes {
			for j := range pushes[i].Series {
				pushes[i].Series[j].Samples[0] = telemetry.Sample{T: now, V: float64(now / 1000 * int64(j))}
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
