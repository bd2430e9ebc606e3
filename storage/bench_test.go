package storage_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/storage/engine/enginetest"
)

// engineCPU is the CPU time that the engine's queries and merges took so far.
func engineCPU(b *testing.B, c *storage.Client) time.Duration {
	return time.Duration(scalar(b, c, "SELECT sum(value) AS v FROM system.events WHERE event = 'OSCPUVirtualTimeMicroseconds'")) * time.Microsecond
}

// BenchmarkInsertSamples inserts blocks of 100,000 samples, as a metrics table
// has them, and reports the engine's CPU for a million.
func BenchmarkInsertSamples(b *testing.B) {
	c := enginetest.Client(b)
	if err := c.Exec(b.Context(), `CREATE TABLE IF NOT EXISTS bench_samples (series UInt128, time Int64 CODEC(DoubleDelta, LZ4), value Float64 CODEC(Gorilla, LZ4))
		ENGINE = MergeTree ORDER BY (series, time)`); err != nil {
		b.Fatal(err)
	}
	const rows = 100_000
	var (
		series proto.ColUInt128
		at     proto.ColInt64
		value  proto.ColFloat64
		n      int64
	)
	before := engineCPU(b, c)
	for b.Loop() {
		series.Reset()
		at.Reset()
		value.Reset()
		for i := range rows {
			series = append(series, proto.UInt128{Low: uint64(i % 1000), High: 7})
			at = append(at, n*1500000+int64(i/1000)*15000)
			value = append(value, float64(i/1000))
		}
		n++
		blk, err := storage.NewBlock("bench_samples", fmt.Sprint(n), rows, proto.Input{{Name: "series", Data: &series}, {Name: "time", Data: &at}, {Name: "value", Data: &value}})
		if err != nil {
			b.Fatal(err)
		}
		if err := c.Insert(b.Context(), blk); err != nil {
			b.Fatal(err)
		}
	}
	total := float64(b.N) * rows / 1e6
	b.ReportMetric((engineCPU(b, c)-before).Seconds()/total, "engine-cpu-s/Mrow")
	b.ReportMetric(total/b.Elapsed().Seconds(), "Mrows/s")
}

const benchRows = 5_000_000

var benchSQL = fmt.Sprintf("SELECT number AS n, toFloat64(number) AS v, concat('pod-', toString(number %% 100)) AS s FROM numbers(%d)", benchRows)

func BenchmarkSelect(b *testing.B) {
	c := enginetest.Client(b)
	for b.Loop() {
		var (
			n   proto.ColUInt64
			v   proto.ColFloat64
			s   proto.ColStr
			sum float64
		)
		if _, err := c.Select(b.Context(), storage.Select{
			SQL: benchSQL, Result: proto.Results{{Name: "n", Data: &n}, {Name: "v", Data: &v}, {Name: "s", Data: &s}},
			OnBlock: func(rows int) error {
				for i := range rows {
					sum += v[i] + float64(n[i]) + float64(len(s.RowBytes(i)))
				}
				return nil
			},
		}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*benchRows/1e6/b.Elapsed().Seconds(), "Mrows/s")
}

// BenchmarkQueryScan is the same result by rows, for measure.
func BenchmarkQueryScan(b *testing.B) {
	c := enginetest.Client(b)
	for b.Loop() {
		rows, err := c.Query(b.Context(), benchSQL)
		if err != nil {
			b.Fatal(err)
		}
		var (
			n   uint64
			v   float64
			s   string
			sum float64
		)
		for rows.Next() {
			if err := rows.Scan(&n, &v, &s); err != nil {
				b.Fatal(err)
			}
			sum += v + float64(n) + float64(len(s))
		}
		if err := rows.Err(); err != nil {
			b.Fatal(err)
		}
		rows.Close()
	}
	b.ReportMetric(float64(b.N)*benchRows/1e6/b.Elapsed().Seconds(), "Mrows/s")
}

func BenchmarkSmallQuery(b *testing.B) {
	c := enginetest.Client(b)
	for b.Loop() {
		if _, err := c.Select(b.Context(), discard("SELECT toUInt64(1)")); err != nil {
			b.Fatal(err)
		}
	}
}
