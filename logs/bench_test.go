package logs

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/grafana/loki/v3/pkg/logqlmodel"
	"github.com/stretchr/testify/require"

	"github.com/watchfire/watchfire/logs/internal/gen"
	"github.com/watchfire/watchfire/storage/engine/enginetest"
	"github.com/watchfire/watchfire/telemetry"
)

// cpu is the CPU time of this process and its children, in seconds.
func cpu() float64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	total := time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
	files, _ := filepath.Glob("/proc/self/task/*/children")
	for _, f := range files {
		pids, _ := os.ReadFile(f)
		for _, pid := range strings.Fields(string(pids)) {
			stat, _ := os.ReadFile("/proc/" + pid + "/stat")
			fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
			utime, _ := strconv.ParseFloat(fields[11], 64)
			stime, _ := strconv.ParseFloat(fields[12], 64)
			total += (utime + stime) / 100
		}
	}
	return total
}

// BenchmarkLogs writes WATCHFIRE_BENCH_LINES lines (200,000 without it) of the
// generator and searches them. CPU time is of this process, engine included,
// the generator's apart.
func BenchmarkLogs(b *testing.B) {
	n := 200_000
	if s := os.Getenv("WATCHFIRE_BENCH_LINES"); s != "" {
		n, _ = strconv.Atoi(s)
	}
	client := enginetest.Client(b)
	cfg := DefaultConfig()
	cfg.Limits = Limits{}
	w := NewWriter(cfg, client, WriterOptions{})
	b.Cleanup(background(w))
	tenant := enginetest.Tenant(b)
	g := gen.New(gen.Config{Seed: 1})

	var id string
	var last telemetry.LogStream
	wall, used, making := time.Duration(0), 0.0, 0.0
	for done := 0; done < n; {
		const push, senders = 5_000, 8
		c0 := cpu()
		var pushes [][]telemetry.LogStream
		for range senders * 5 {
			pushes = append(pushes, g.Streams(push))
		}
		making += cpu() - c0
		if id == "" {
			for _, s := range pushes[len(pushes)-1] {
				if m := regexp.MustCompile(`request_id=([0-9a-f]{16})`).FindStringSubmatch(s.Records[0].Line); m != nil {
					id = m[1]
				}
			}
		}
		last = pushes[len(pushes)-1][0]
		begin, c1 := time.Now(), cpu()
		var wg sync.WaitGroup
		for i := range senders {
			wg.Go(func() {
				for j := i; j < len(pushes); j += senders {
					if _, err := w.WriteLogs(b.Context(), tenant, pushes[j]); err != nil {
						b.Error(err)
					}
				}
			})
		}
		wg.Wait()
		wall += time.Since(begin)
		used += cpu() - c1
		done += push * len(pushes)
		runtime.GC()
	}
	b.Logf("%d lines: %.0f a second, %.0f a CPU-second (generator apart: %.1f CPU-s)", n, float64(n)/wall.Seconds(), float64(n)/used, making)

	c0 := cpu()
	require.NoError(b, client.Exec(b.Context(), "OPTIMIZE TABLE "+recordsTable.Name+" FINAL"))
	b.Logf("merging to one part: %.1f CPU-s", cpu()-c0)
	rows, err := client.Query(b.Context(), "SELECT sum(rows), sum(bytes_on_disk) / sum(rows), sum(secondary_indices_compressed_bytes) / sum(rows) FROM system.parts WHERE active AND table = '"+recordsTable.Name+"'")
	require.NoError(b, err)
	for rows.Next() {
		var count uint64
		var disk, index float64
		require.NoError(b, rows.Scan(&count, &disk, &index))
		b.Logf("%d rows, %.1f bytes a line on disk, of it %.1f indexes", count, disk, index)
	}
	rows.Close()

	engine := testEngine(b)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	end := time.Unix(0, last.Records[len(last.Records)-1].Time).Add(time.Minute)
	pod := last.Labels.Get("pod")
	b.Logf("%d streams' span %s", 200, end.Sub(start))
	for _, q := range []struct {
		query string
		step  time.Duration
	}{
		{fmt.Sprintf(`{pod=%q}`, pod), 0},
		{`{app=~".+"}`, 0},
		{fmt.Sprintf(`{app=~".+"} |= %q`, id), 0},
		{fmt.Sprintf(`{app=~".+"} |= %q`, id[2:12]), 0},
		{fmt.Sprintf(`{app=~".+"} |= "request_id=%s"`, id), 0},
		{`{app=~".+"} |= "Unavailable"`, 0},
		{`{app=~".+"} |= "createTimeoutException"`, 0},
		{`{app=~".+"} |= "err"`, 0},
		{`{app=~".+"} |~ "(?i)unavailable.*refused"`, 0},
		{`{app=~".+"} |= "nowhere to be found"`, 0},
		{`{app="search"} | json | duration_ms > 150`, 0},
		{`{app=~".+"} | detected_level="error"`, 0},
		{`sum by (level, detected_level) (count_over_time({app=~".+"} [1m]))`, time.Minute},
		{`sum by (app) (rate({app=~".+"} |= "Unavailable" [5m]))`, time.Minute},
		{`sum by (status) (count_over_time({app="kubelet"} | logfmt [5m]))`, time.Minute},
	} {
		best, entries := time.Hour, int64(0)
		for range 3 {
			begin := time.Now()
			r, err := engine.Exec(b.Context(), tenant, Params{Query: q.query, Start: start, End: end, Step: q.step, Limit: 100})
			require.NoError(b, err, q.query)
			best = min(best, time.Since(begin))
			if s, ok := r.Data.(logqlmodel.Streams); ok {
				entries = s.Lines()
			}
		}
		b.Logf("%8.1f ms  %4d lines  %s", float64(best.Microseconds())/1000, entries, q.query)
	}
}
