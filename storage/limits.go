package storage

import (
	"context"
	"strconv"
	"time"
)

// Limits bound what one query may cost; zero is no limit of its own. A query
// that reaches one fails with an error that matches ErrLimit.
type Limits struct {
	MaxTime       time.Duration // of the server's work
	MaxRowsRead   uint64
	MaxBytesRead  uint64 // uncompressed
	MaxMemory     uint64 // bytes
	MaxResultRows uint64
	MaxThreads    int
}

type limitsKey struct{}

// WithLimits makes every query under ctx obey l, instead of limits that ctx
// had before.
func WithLimits(ctx context.Context, l Limits) context.Context {
	return context.WithValue(ctx, limitsKey{}, l)
}

// setting is one ClickHouse setting of a request.
type setting struct{ name, value string }

// limitSettings are the settings that make the server obey ctx's limits.
func limitSettings(ctx context.Context) []setting {
	l, _ := ctx.Value(limitsKey{}).(Limits)
	var out []setting
	add := func(name string, n uint64) {
		if n > 0 {
			out = append(out, setting{name, strconv.FormatUint(n, 10)})
		}
	}
	if l.MaxTime > 0 {
		out = append(out, setting{"max_execution_time", strconv.FormatFloat(l.MaxTime.Seconds(), 'f', -1, 64)})
	}
	add("max_rows_to_read", l.MaxRowsRead)
	add("max_bytes_to_read", l.MaxBytesRead)
	add("max_memory_usage", l.MaxMemory)
	add("max_result_rows", l.MaxResultRows)
	add("max_threads", uint64(max(l.MaxThreads, 0)))
	return out
}
