package server

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

func TestLimiter(t *testing.T) {
	c := DefaultLimitsConfig()
	c.Default.Metrics = Rates{RecordsPerSecond: 100, RequestsPerSecond: 5}
	c.Tenants = map[string]Override{"big": {Metrics: &Rates{RecordsPerSecond: 1000}}}
	l := NewLimiter(c, nil, quiet())
	now := time.Unix(1000, 0)

	// The burst of ten seconds is there at once, and may be overdrawn by one.
	require.NoError(t, l.Allow("a", Metrics, Use{Requests: 1, Records: 999}, now))
	require.NoError(t, l.Allow("a", Metrics, Use{Requests: 1, Records: 501}, now))
	err := l.Allow("a", Metrics, Use{Requests: 1, Records: 1}, now)
	e := AsError(t.Context(), err)
	require.Equal(t, 429, e.Status)
	require.Equal(t, 5*time.Second, e.RetryAfter)
	for _, s := range []string{`tenant "a"`, "100 records of metrics per second", "records_per_second", "server.limits.tenants.a.metrics.records_per_second", "server.limits.default.metrics.records_per_second"} {
		require.Contains(t, e.Message, s)
	}
	require.Error(t, l.Allow("a", Metrics, Use{}, now), "a question before the body is read")

	// Others do not suffer, and nothing was taken by the refusals.
	require.NoError(t, l.Allow("b", Metrics, Use{Requests: 1, Records: 1}, now))
	require.NoError(t, l.Allow("a", Logs, Use{Requests: 1, Records: 1e6}, now))
	require.NoError(t, l.Allow("big", Metrics, Use{Requests: 1, Records: 10_000}, now))
	require.NoError(t, l.Allow("a", Metrics, Use{Requests: 1, Records: 1}, now.Add(5*time.Second)))

	// A raised limit works at once.
	c.Default.Metrics.RecordsPerSecond = 0
	l.Update(c)
	require.NoError(t, l.Allow("a", Metrics, Use{Requests: 1, Records: 1e6}, now.Add(5*time.Second)))

	// Requests are a bucket of their own: 50 at once, then 5 a second.
	let := 0
	for range 100 {
		if l.Allow("c", Metrics, Use{Requests: 1}, now) == nil {
			let++
		}
	}
	require.Equal(t, 51, let)
	require.ErrorContains(t, l.Allow("c", Metrics, Use{Requests: 1}, now), "5 requests of metrics")
}

func TestLimiterLongRun(t *testing.T) {
	c := DefaultLimitsConfig()
	c.Default.Logs.BytesPerSecond = 1000
	l := NewLimiter(c, nil, quiet())
	now, sent := time.Unix(0, 0), 0
	for range 10_000 { // 100 s of a sender that tries 7,000 bytes every 10 ms
		if l.Allow("a", Logs, Use{Bytes: 7000}, now) == nil {
			sent += 7000
		}
		now = now.Add(10 * time.Millisecond)
	}
	require.InDelta(t, 110_000, sent, 7_000)
}

func TestLimiterForgets(t *testing.T) {
	c := DefaultLimitsConfig()
	c.Default.Logs.RequestsPerSecond = 1
	l := NewLimiter(c, nil, quiet())
	now := time.Unix(1000, 0)
	for i := range 3 * maxLimiterTenants {
		_ = l.Allow(fmt.Sprint("t", i), Logs, Use{Requests: 1}, now)
		now = now.Add(time.Microsecond)
	}
	require.LessOrEqual(t, len(l.state), maxLimiterTenants)

	// One that is busy is kept while quiet ones go.
	now = now.Add(time.Hour)
	for range 20 {
		_ = l.Allow("busy", Logs, Use{Requests: 1}, now)
	}
	require.Error(t, l.Allow("busy", Logs, Use{Requests: 1}, now))
	for i := range maxLimiterTenants - len(l.state) + 1 {
		_ = l.Allow(fmt.Sprint("u", i), Logs, Use{Requests: 1}, now.Add(-2*time.Second))
	}
	require.Error(t, l.Allow("busy", Logs, Use{Requests: 1}, now))
}

func TestLimitsConfig(t *testing.T) {
	require.NoError(t, DefaultLimitsConfig().Validate())
	c := DefaultLimitsConfig()
	require.NoError(t, yaml.Unmarshal([]byte(`
default:
  max_series: 1000
  logs: {bytes_per_second: 5e6}
tenants:
  team-a: {max_series: 0, burst: 1m}
`), &c))
	require.Equal(t, Limits{MaxSeries: 1000, Burst: 10 * time.Second, Logs: Rates{BytesPerSecond: 5e6}}, c.For("other"))
	require.Equal(t, Limits{MaxSeries: 0, Burst: time.Minute, Logs: Rates{BytesPerSecond: 5e6}}, c.For("team-a"))
	require.ErrorContains(t, c.For("other").TooManySeries("other"), "1000 active series, its limit (max_series)")

	bad := Rates{RequestsPerSecond: -1}
	c.Tenants["a|b"] = Override{Traces: &bad}
	c.Default.Burst = 0
	err := c.Validate()
	for _, s := range []string{"several tenants", "tenants.a|b.traces.requests_per_second is -1", "default.burst is 0s"} {
		require.ErrorContains(t, err, s)
	}
}
