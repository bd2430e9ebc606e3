package storage_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/storage/engine/enginetest"
)

func TestSelectStreamsBigResults(t *testing.T) {
	c := enginetest.Client(t)
	const rows = 20_000_000 // 160 MB
	var (
		n        proto.ColUInt64
		sum, got uint64
		peak     uint64
		blocks   int
	)
	stats, err := c.Select(t.Context(), storage.Select{
		SQL:    fmt.Sprintf("SELECT number AS n FROM numbers(%d)", rows),
		Result: proto.Results{{Name: "n", Data: &n}},
		OnBlock: func(rows int) error {
			got += uint64(rows)
			for _, v := range n[:rows] {
				sum += v
			}
			if blocks++; blocks%64 == 0 {
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapAlloc)
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got != rows || sum != rows*(rows-1)/2 {
		t.Errorf("got %d rows with sum %d", got, sum)
	}
	if stats.Rows < rows {
		t.Errorf("the server reports %d rows read, want %d", stats.Rows, rows)
	}
	if peak > 64<<20 {
		t.Errorf("heap grew to %d MB: the result is not streamed", peak>>20)
	}
	t.Logf("%.1f M rows/s, heap %d MB", rows/stats.Elapsed.Seconds()/1e6, peak>>20)
}

// discard is a Select of one UInt64 column.
func discard(sql string) storage.Select {
	return storage.Select{SQL: sql, Result: proto.Results{{Data: new(proto.ColUInt64)}}, OnBlock: func(int) error { return nil }}
}

func TestSelectSeesAnExceptionAmidTheResult(t *testing.T) {
	c := enginetest.Client(t)
	rows := 0
	q := discard("SELECT throwIf(number = 3000000, 'boom at three million')::UInt64 FROM numbers(10000000) SETTINGS max_threads = 1")
	q.OnBlock = func(n int) error { rows += n; return nil }
	_, err := c.Select(t.Context(), q)
	var e *storage.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v after %d rows, want a *storage.Error", err, rows)
	}
	if e.Code != 395 || e.Name != "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO" || !strings.Contains(e.Message, "boom at three million") {
		t.Errorf("got %+v", e)
	}
	if rows == 0 {
		t.Error("the exception came before the first row: this test proves nothing")
	}
}

func TestErrorsAreTyped(t *testing.T) {
	c := enginetest.Client(t)
	for _, test := range []struct {
		sql  string
		ctx  func(context.Context) context.Context
		code int
		name string
		is   error
	}{
		{sql: "SELECT x FROM nowhere", code: 60, name: "UNKNOWN_TABLE"},
		{sql: "SELEC 1", code: 62, name: "SYNTAX_ERROR"},
		{sql: "INSERT INTO numbers VALUES ('x', 1)", code: 164, name: "READONLY"},
		{
			sql: "SELECT number FROM numbers(10000000)", code: 158, name: "TOO_MANY_ROWS", is: storage.ErrLimit,
			ctx: func(ctx context.Context) context.Context {
				return storage.WithLimits(ctx, storage.Limits{MaxRowsRead: 1000})
			},
		},
		{
			sql: "SELECT sleepEachRow(0.01)::UInt64 FROM numbers(1000) SETTINGS max_block_size = 1", code: 159, name: "TIMEOUT_EXCEEDED", is: storage.ErrLimit,
			ctx: func(ctx context.Context) context.Context {
				return storage.WithLimits(ctx, storage.Limits{MaxTime: 200 * time.Millisecond})
			},
		},
		{
			sql: "SELECT uniqExact(number) FROM numbers(20000000)", code: 241, name: "MEMORY_LIMIT_EXCEEDED", is: storage.ErrLimit,
			ctx: func(ctx context.Context) context.Context {
				return storage.WithLimits(ctx, storage.Limits{MaxMemory: 20 << 20})
			},
		},
		{
			sql: "SELECT number FROM numbers(100000) SETTINGS max_block_size = 100", code: 396, name: "TOO_MANY_ROWS_OR_BYTES", is: storage.ErrLimit,
			ctx: func(ctx context.Context) context.Context {
				return storage.WithLimits(ctx, storage.Limits{MaxResultRows: 1000})
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			if test.ctx != nil {
				ctx = test.ctx(ctx)
			}
			_, selectErr := c.Select(ctx, discard(test.sql))
			check := func(way string, err error) {
				t.Helper()
				var e *storage.Error
				if !errors.As(err, &e) {
					t.Fatalf("%s: got %v, want a *storage.Error", way, err)
				}
				if e.Code != test.code || e.Name != test.name {
					t.Errorf("%s: got %d %q, want %d %q: %s", way, e.Code, e.Name, test.code, test.name, e.Message)
				}
				if strings.Contains(e.Message, "version") || strings.Contains(e.Message, "DB::Exception") {
					t.Errorf("%s: message is not clean: %s", way, e.Message)
				}
				if test.is != nil && (!errors.Is(err, test.is) || errors.Is(err, storage.ErrUnavailable)) {
					t.Errorf("%s: %v is not %v", way, err, test.is)
				}
			}
			check("Select", selectErr)
			rows, err := c.Query(ctx, test.sql)
			if err == nil {
				for rows.Next() {
				}
				err = rows.Err()
				rows.Close()
			}
			check("Query", err)
		})
	}
}

// running counts the queries on the server whose text has a marker.
func running(t testing.TB, c *storage.Client, marker string) int {
	t.Helper()
	rows, err := c.Query(context.Background(), "SELECT count() FROM system.processes WHERE query LIKE '%"+marker+"%' AND query NOT LIKE '%system.processes%'")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var n uint64
	for rows.Next() {
		if err := rows.Scan(&n); err != nil {
			t.Fatal(err)
		}
	}
	return int(n)
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("%s: not within 10 s", what)
}

func TestCancelKillsTheQueryOnTheServer(t *testing.T) {
	c := enginetest.Client(t)
	for name, run := range map[string]func(context.Context, string) error{
		"select": func(ctx context.Context, sql string) error { _, err := c.Select(ctx, discard(sql)); return err },
		"query": func(ctx context.Context, sql string) error {
			rows, err := c.Query(ctx, sql)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
			}
			return rows.Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			marker := "marker_" + name
			sql := "SELECT sum(cityHash64(number)) AS " + marker + " FROM numbers(100000000000)"
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- run(ctx, sql) }()
			eventually(t, "the query starts", func() bool { return running(t, c, marker) == 1 })
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want context.Canceled", err)
			}
			start := time.Now()
			eventually(t, "the query ends", func() bool { return running(t, c, marker) == 0 })
			t.Logf("killed after %v", time.Since(start))
		})
	}
}

func TestSelectEndsWhenOnBlockFails(t *testing.T) {
	c := enginetest.Client(t)
	enough := errors.New("enough")
	q := discard("SELECT number AS marker_enough FROM system.numbers")
	q.OnBlock = func(int) error { return enough }
	if _, err := c.Select(t.Context(), q); !errors.Is(err, enough) {
		t.Fatalf("got %v", err)
	}
	eventually(t, "the query ends", func() bool { return running(t, c, "marker_enough") == 0 })
}

func TestEmptyResult(t *testing.T) {
	c := enginetest.Client(t)
	q := discard("SELECT number FROM numbers(10) WHERE number > 10")
	q.OnBlock = func(n int) error { t.Errorf("OnBlock(%d)", n); return nil }
	if _, err := c.Select(t.Context(), q); err != nil {
		t.Fatal(err)
	}
}
