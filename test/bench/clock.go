package main

import (
	"context"
	"strconv"
	"time"
)

// sleepUntil waits for t.
func sleepUntil(ctx context.Context, t time.Time) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Until(t)):
		return nil
	}
}

func ms(d time.Duration) float64 { return float64(d) / 1e6 }

// unixSeconds is t as the APIs of Prometheus take it.
func unixSeconds(t time.Time) string {
	return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64)
}

// over is a/b, 0 where b is 0.
func over(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}
