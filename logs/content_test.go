package logs

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/grafana/loki/v3/pkg/logqlmodel"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/require"

	"github.com/watchfire/watchfire/server"
	"github.com/watchfire/watchfire/storage/engine/enginetest"
	"github.com/watchfire/watchfire/telemetry"
)

// linesOf are the lines of a result, in the answer's order.
func linesOf(t *testing.T, r logqlmodel.Result) (out []string) {
	t.Helper()
	streams, ok := r.Data.(logqlmodel.Streams)
	require.True(t, ok)
	for _, s := range streams {
		for _, e := range s.Entries {
			out = append(out, e.Line)
		}
	}
	return out
}

// What people write into logs comes back as it was.
func TestLinesComeBackAsTheyWere(t *testing.T) {
	tenant, engine := enginetest.Tenant(t), testEngine(t)
	big := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB
	in := []string{"", "\x00", "tab\tnew\nline\r\\'\"", "订单 42 支付失败", "🔥\u200d🚒", big, "a\xffb\xfe", strings.Repeat(" ", 100)}
	write(t, tenant, lines(labels.FromStrings("app", "a"), in...))
	got, err := engine.Exec(t.Context(), tenant, Params{Query: `{app="a"}`, Start: epoch, End: epoch.Add(time.Hour), Limit: 100, Forward: true})
	require.NoError(t, err)
	want := append([]string(nil), in...)
	want[6] = "a\uFFFDb\uFFFD" // each run of bad bytes is one U+FFFD
	require.ElementsMatch(t, want, linesOf(t, got))

	for query, n := range map[string]int{
		`|= "支付失败"`: 1, `|= "付失"`: 1, `|= "失败" |= "42"`: 1, `|~ "订单 \\d+"`: 1, `|= "\x00"`: 1, `|= "9abcdef0"`: 1, `|= "\u200d"`: 1, `|= "\\'"`: 1, `!= "a"`: 5,
	} {
		got, err := engine.Exec(t.Context(), tenant, Params{Query: `{app="a"} ` + query, Start: epoch, End: epoch.Add(time.Hour), Limit: 100})
		require.NoError(t, err)
		require.Len(t, linesOf(t, got), n, query)
	}
}

// A stack trace, whose lines share their time, keeps its order in both
// directions, and a push that is sent again shows once.
func TestLinesOfOneTimeKeepTheirOrder(t *testing.T) {
	tenant, engine := enginetest.Tenant(t), testEngine(t)
	s := telemetry.LogStream{Labels: labels.FromStrings("app", "a")}
	var forward, backward []string
	for i := range 50 {
		line := "at frame " + string(rune('A'+i))
		s.Records = append(s.Records, telemetry.LogRecord{Time: epoch.UnixNano(), Line: line})
		forward, backward = append(forward, line), append([]string{line}, backward...)
	}
	write(t, tenant, s)
	write(t, tenant, s)
	for _, c := range []struct {
		forward bool
		want    []string
	}{{true, forward}, {false, backward}} {
		for _, limit := range []int{1, 49, 50, 51} { // a page is smaller than the lines of one time
			got, err := engine.Exec(t.Context(), tenant, Params{Query: `{app="a"}`, Start: epoch, End: epoch.Add(time.Second), Limit: limit, Forward: c.forward})
			require.NoError(t, err)
			require.Equal(t, c.want[:min(limit, 50)], linesOf(t, got))
		}
	}
	v, err := engine.Query(t.Context(), tenant, `sum(count_over_time({app="a"}[1m]))`, epoch.Add(time.Second))
	require.NoError(t, err)
	require.Len(t, v, 1)
	require.Equal(t, 50.0, v[0].F)
}

func TestTenantsAreApart(t *testing.T) {
	mine, other, engine := enginetest.Tenant(t), enginetest.Tenant(t), testEngine(t)
	write(t, mine, lines(labels.FromStrings("app", "a"), "secret"))
	got, err := engine.Exec(t.Context(), other, Params{Query: `{app="a"}`, Start: epoch, End: epoch.Add(time.Hour), Limit: 100})
	require.NoError(t, err)
	require.Empty(t, linesOf(t, got))
}

func TestRulesGetVectors(t *testing.T) {
	tenant, engine := enginetest.Tenant(t), testEngine(t)
	write(t, tenant, lines(labels.FromStrings("app", "a"), "error 1", "ok", "error 2"))
	v, err := engine.Query(t.Context(), tenant, `sum by (app) (count_over_time({app="a"} |= "error" [1m])) > 1`, epoch.Add(10*time.Second))
	require.NoError(t, err)
	require.Len(t, v, 1)
	require.Equal(t, `{app="a"} => 2 @[1772366410000]`, v[0].String())
	v, err = engine.Query(t.Context(), tenant, `vector(3)`, epoch)
	require.NoError(t, err)
	require.Equal(t, 3.0, v[0].F)
	_, err = engine.Query(t.Context(), tenant, `{app="a"}`, epoch)
	require.ErrorContains(t, err, "count_over_time")
	_, err = engine.Query(t.Context(), tenant, `rate({app="a"`, epoch)
	require.Equal(t, 400, server.AsError(t.Context(), err).Status)
}

func TestLimitsOfQueriesAreNamed(t *testing.T) {
	tenant := enginetest.Tenant(t)
	write(t, tenant, lines(labels.FromStrings("app", "a"), "x"), lines(labels.FromStrings("app", "b"), "x"))
	p := Params{Query: `{app=~".+"}`, Start: epoch, End: epoch.Add(time.Hour), Limit: 100}
	for knob, change := range map[string]func(*QueryConfig){
		"logs.query.max_streams": func(c *QueryConfig) { c.MaxStreams = 1 },
		"max_rows_read":          func(c *QueryConfig) { c.MaxRowsRead = 1 },
		"logs.query.max_range":   func(c *QueryConfig) { c.MaxRange = time.Minute },
		"logs.query.max_entries": func(c *QueryConfig) { c.MaxEntries = 99 },
	} {
		cfg := DefaultQueryConfig()
		change(&cfg)
		_, err := NewEngine(cfg, NewStore(cfg, enginetest.Client(t)), EngineOptions{}).Exec(t.Context(), tenant, p)
		require.ErrorContains(t, err, knob)
		require.Contains(t, []int{400, 422}, server.AsError(t.Context(), err).Status, knob)
	}
}

func TestCancelledQueriesEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := testEngine(t).Exec(ctx, enginetest.Tenant(t), Params{Query: `{app="a"}`, Start: epoch, End: epoch.Add(time.Hour), Limit: 100})
	require.ErrorIs(t, err, context.Canceled)
}
