package metrics

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/stretchr/testify/require"

	"github.com/watchfire/watchfire/storage/engine/enginetest"
	"github.com/watchfire/watchfire/telemetry"
)

func TestQueryLimits(t *testing.T) {
	tenant, now := enginetest.Tenant(t), time.Now()
	var series []telemetry.Series
	for i := range 10 {
		series = append(series, floats(labels.FromStrings("__name__", "m", "i", fmt.Sprint(i)), now.UnixMilli()-20_000, time.Second, 1, 2, 3, 4, 5))
	}
	write(t, tenant, series...)
	for _, tt := range []struct {
		set  func(*QueryConfig)
		want string
	}{
		{func(c *QueryConfig) { c.MaxSeries = 9 }, "metrics.query.max_series"},
		{func(c *QueryConfig) { c.MaxSamples = 40 }, "metrics.query.max_samples"},
		{func(c *QueryConfig) { c.MaxSeries = 10 }, ""},
	} {
		cfg := DefaultQueryConfig()
		tt.set(&cfg)
		store := NewStore(cfg, enginetest.Client(t), nil)
		engine := NewEngine(cfg, store, EngineOptions{})
		v, err := engine.Query(t.Context(), tenant, "sum(count_over_time(m[1m]))", now)
		if tt.want == "" {
			require.NoError(t, err)
			require.InDelta(t, 50, v[0].F, 0)
		} else {
			require.ErrorContains(t, err, tt.want)
		}
		require.NoError(t, engine.Close())
	}
}

func TestSelectLimitTruncates(t *testing.T) {
	tenant, now := enginetest.Tenant(t), time.Now().UnixMilli()
	for i := range 5 {
		write(t, tenant, floats(labels.FromStrings("__name__", "m", "i", fmt.Sprint(i)), now, time.Second, 1))
	}
	q, err := testStore(t).Queryable(fixed(tenant)).Querier(now, now)
	require.NoError(t, err)
	set := q.Select(t.Context(), true, &storage.SelectHints{Start: now, End: now, Limit: 3}, labels.MustNewMatcher(labels.MatchEqual, "__name__", "m"))
	n := 0
	for set.Next() {
		n++
	}
	require.NoError(t, set.Err())
	require.Equal(t, 3, n)
	require.Len(t, set.Warnings(), 1)
}

func TestCanceledQuery(t *testing.T) {
	tenant := enginetest.Tenant(t)
	write(t, tenant, floats(labels.FromStrings("__name__", "m"), time.Now().UnixMilli(), time.Second, 1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	engine := NewEngine(DefaultQueryConfig(), testStore(t), EngineOptions{})
	defer engine.Close()
	_, err := engine.Query(ctx, tenant, "m", time.Now())
	require.Error(t, err)
}

func TestEngineQuery(t *testing.T) {
	tenant, now := enginetest.Tenant(t), time.Now()
	write(t, tenant, floats(labels.FromStrings("__name__", "m"), now.UnixMilli(), time.Second, 41))
	engine := NewEngine(DefaultQueryConfig(), testStore(t), EngineOptions{})
	defer engine.Close()
	v, err := engine.Query(t.Context(), tenant, "m + 1", now)
	require.NoError(t, err)
	require.InDelta(t, 42, v[0].F, 0)
	v, err = engine.Query(t.Context(), tenant, "1 + 1", now)
	require.NoError(t, err)
	require.Equal(t, promql.Vector{{T: now.UnixMilli(), F: 2}}, v)
	_, err = engine.Query(t.Context(), tenant, `"text"`, now)
	require.ErrorContains(t, err, "want a vector or a scalar")
	_, err = engine.Query(t.Context(), tenant, "m[5m]", now)
	require.Error(t, err)
	_, err = engine.Query(t.Context(), tenant, "sum(", now)
	require.ErrorContains(t, err, "parse error")
}

// TestReadYourWritesThroughTheCache writes new series of a metric that was
// looked up before.
func TestReadYourWritesThroughTheCache(t *testing.T) {
	tenant, now := enginetest.Tenant(t), time.Now()
	store := testStore(t)
	engine := NewEngine(DefaultQueryConfig(), store, EngineOptions{})
	defer engine.Close()
	for i := range 5 {
		write(t, tenant, floats(labels.FromStrings("__name__", "m", "i", fmt.Sprint(i)), now.UnixMilli(), time.Second, 1))
		for range 2 {
			v, err := engine.Query(t.Context(), tenant, "count(m)", now)
			require.NoError(t, err)
			require.InDelta(t, i+1, v[0].F, 0)
		}
	}
}
