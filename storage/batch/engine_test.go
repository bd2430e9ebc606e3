package batch

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/storage/engine"
	"github.com/watchfire/watchfire/storage/engine/enginetest"
)

const numbersTable = "CREATE TABLE numbers (n UInt64, s LowCardinality(String)) ENGINE = MergeTree ORDER BY n"

// realEngine starts a ClickHouse that is restarted when it dies.
func realEngine(t testing.TB) (*engine.Engine, *storage.Client) {
	t.Helper()
	cfg := enginetest.Config(t.TempDir())
	cfg.Logger = slog.New(slog.DiscardHandler)
	e, err := engine.Start(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { e.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
		e.Stop(context.Background())
	})
	client, err := storage.Open(t.Context(), storage.Options{DSN: e.DSN()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	if err := client.Exec(t.Context(), numbersTable); err != nil {
		t.Fatal(err)
	}
	return e, client
}

// ClickHouse is killed under load, and the spool stands in: all that was
// acknowledged is in the table once.
func TestEngineKilledUnderLoad(t *testing.T) {
	e, client := realEngine(t)
	spool := spoolConfig(filepath.Join(t.TempDir(), "spool"))
	spool.Pace = 250 * time.Millisecond
	s := openSpool(t, spool, client)
	run(t, s)
	cfg := DefaultConfig()
	b, stop := start(t, cfg, s)

	const perWriter = 1 << 32
	var acknowledged [32]uint64
	var done atomic.Bool
	var writers sync.WaitGroup
	for g := range acknowledged {
		writers.Go(func() {
			for !done.Load() {
				n := uint64(g)*perWriter + acknowledged[g]
				if err := b.Write(t.Context(), adds(n, n+1, n+2)); err != nil {
					t.Error(err)
					return
				}
				acknowledged[g] += 3
			}
		})
	}
	for range 2 {
		time.Sleep(500 * time.Millisecond)
		if err := syscall.Kill(e.PID(), syscall.SIGKILL); err != nil {
			t.Error(err)
		}
		waitUp(t, client)
	}
	done.Store(true)
	writers.Wait()
	if err := stop(); err != nil {
		t.Error(err)
	}
	waitDrained(t, s)

	var rows proto.ColUInt64
	times := map[uint64]int{}
	_, err := client.Select(t.Context(), storage.Select{
		SQL:    "SELECT n FROM numbers",
		Result: proto.Results{{Name: "n", Data: &rows}},
		OnBlock: func(int) error {
			for _, n := range rows {
				times[n]++
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for g, count := range acknowledged {
		for i := range count {
			if n := uint64(g)*perWriter + i; times[n] != 1 {
				t.Errorf("%d was acknowledged and is stored %d times", n, times[n])
			}
		}
		sum += int(count)
	}
	if sum != len(times) {
		t.Errorf("%d rows acknowledged, %d stored", sum, len(times))
	}
	t.Logf("%d rows acknowledged", sum)
	if sum < 100 {
		t.Error("hardly anything was written")
	}
}

func waitUp(t testing.TB, client *storage.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for client.Ping(ctx) != nil {
		if ctx.Err() != nil {
			t.Fatal("ClickHouse does not come back")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// BenchmarkEngineTrickle has 20 senders push ten rows every 50 ms to a real
// ClickHouse, and reports what duty costs and saves.
func BenchmarkEngineTrickle(b *testing.B) {
	for _, duty := range []float64{1, 0.5, 0.25, 0.1} {
		b.Run("duty="+strconv.FormatFloat(duty, 'g', -1, 64), func(b *testing.B) {
			e, client := realEngine(b)
			cfg := DefaultConfig()
			cfg.Duty = duty
			counted := &countingSink{next: client}
			batcher := New(cfg, "numbers", newNumbers, counted, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
			ctx, cancel := context.WithCancel(context.Background())
			var wg sync.WaitGroup
			wg.Go(func() { batcher.Run(ctx) })
			before, began := cpuSeconds(b, e.PID()), time.Now()
			var waited atomic.Int64
			var senders sync.WaitGroup
			for range 20 {
				senders.Go(func() {
					for range b.N {
						t := time.Now()
						if err := batcher.Write(ctx, adds(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)); err != nil {
							b.Error(err)
						}
						waited.Add(int64(time.Since(t)))
						time.Sleep(50 * time.Millisecond)
					}
				})
			}
			senders.Wait()
			took := time.Since(began).Seconds()
			cpu := cpuSeconds(b, e.PID()) - before
			cancel()
			wg.Wait()
			b.ReportMetric(float64(counted.n.Load())/took, "inserts/s")
			b.ReportMetric(float64(waited.Load())/1e6/float64(20*b.N), "ms/write")
			b.ReportMetric(cpu/took, "engine-cores")
			b.ReportMetric(1e6*cpu/float64(200*b.N), "engine-µs/row")
		})
	}
}

type countingSink struct {
	next Sink
	n    atomic.Int64
}

func (s *countingSink) Insert(ctx context.Context, b storage.Block) error {
	s.n.Add(1)
	return s.next.Insert(ctx, b)
}

// cpuSeconds is what a process used so far, at 100 ticks a second.
func cpuSeconds(t testing.TB, pid int) float64 {
	t.Helper()
	p, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(p[strings.LastIndexByte(string(p), ')')+1:]))
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / 100
}
