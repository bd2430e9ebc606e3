package collector

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/watchfire/watchfire/telemetry"
)

type acceptLogs struct{}

func (acceptLogs) WriteLogs(_ context.Context, _ string, streams []telemetry.LogStream) (out telemetry.Outcome, _ error) {
	for _, s := range streams {
		out.Accepted += len(s.Records)
	}
	return out, nil
}

func TestArrivals(t *testing.T) {
	now := time.Unix(1000, 0)
	a := NewArrivals(func() time.Time { return now })
	sink := a.Sinks("loki", Sinks{Logs: acceptLogs{}}).Logs
	push := []telemetry.LogStream{{Records: make([]telemetry.LogRecord, 50)}}
	for range 300 { // 50 lines a second for five minutes
		now = now.Add(time.Second)
		if _, err := sink.WriteLogs(t.Context(), "a", push); err != nil {
			t.Fatal(err)
		}
	}
	got := a.Of("a")
	if len(got) != 1 || got[0].Signal != "logs" || got[0].Source != "loki" || got[0].Records != 15000 || !got[0].LastSeen.Equal(now) {
		t.Fatalf("got %+v", got)
	}
	if r := got[0].PerSecond; math.Abs(r-50) > 2 {
		t.Errorf("rate %.1f, want about 50", r)
	}
	now = now.Add(10 * time.Minute)
	if r := a.Of("a")[0].PerSecond; r > 0.01 {
		t.Errorf("rate after ten silent minutes: %.3f", r)
	}
	if other := a.Of("b"); len(other) != 0 {
		t.Errorf("another tenant sees %+v", other)
	}
}

func TestArrivalsAreBounded(t *testing.T) {
	a := NewArrivals(time.Now)
	for i := range maxArrivals + 10 {
		a.Note(string(rune(i)), "logs", "loki", 1)
	}
	if len(a.all) != maxArrivals {
		t.Errorf("%d arrivals remembered, want %d", len(a.all), maxArrivals)
	}
}
