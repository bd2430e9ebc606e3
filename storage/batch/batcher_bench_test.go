package batch

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/watchfire/watchfire/storage"
)

type nowhere struct{}

func (nowhere) Insert(context.Context, storage.Block) error { return nil }

// BenchmarkAdd measures adding a push of ten rows, by as many goroutines as
// there are cores times eight, without waiting for its commit.
func BenchmarkAdd(b *testing.B) {
	batcher := New(DefaultConfig(), "numbers", newNumbers, nowhere{}, nil, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { batcher.Run(ctx) })
	add := adds(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
	b.ReportAllocs()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := batcher.Add(ctx, add); err != nil {
				b.Error(err)
			}
		}
	})
	cancel()
	wg.Wait()
}

// BenchmarkLinger has 200 closed-loop writers against inserts of 10 ms, and
// reports how large batches get and how long a write takes.
func BenchmarkLinger(b *testing.B) {
	for _, c := range []struct {
		name   string
		linger time.Duration
		duty   float64
	}{
		{"0ms,duty=1", 0, 1}, {"2ms,duty=1", 2 * time.Millisecond, 1}, {"5ms,duty=1", 5 * time.Millisecond, 1},
		{"2ms,duty=0.5", 2 * time.Millisecond, 0.5}, {"2ms,duty=0.25", 2 * time.Millisecond, 0.25},
	} {
		b.Run(c.name, func(b *testing.B) {
			cfg := DefaultConfig()
			cfg.Linger, cfg.Duty = c.linger, c.duty
			sink := &fakeSink{insert: slow(10 * time.Millisecond)}
			batcher, stop := start(b, cfg, sink)
			var wg sync.WaitGroup
			began := time.Now()
			for g := range 200 {
				wg.Go(func() {
					for i := g; i < b.N; i += 200 {
						if err := batcher.Write(b.Context(), adds(uint64(i))); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			took := time.Since(began)
			stop()
			b.ReportMetric(float64(b.N)/float64(len(sink.sizes())), "rows/batch")
			b.ReportMetric(float64(len(sink.sizes()))/took.Seconds(), "inserts/s")
			b.ReportMetric(took.Seconds()*1000*200/float64(b.N), "ms/write")
		})
	}
}
