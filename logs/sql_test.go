package logs

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/grafana/loki/v3/pkg/logql/syntax"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/require"
)

// someStreams is a selection for golden SQL.
func someStreams(sp span) *streamSet {
	id := proto.UInt128{Low: 1, High: 2}
	return &streamSet{
		tenant: "t", span: sp, index: map[proto.UInt128]int{id: 0}, ids: []proto.UInt128{id},
		labels: []labels.Labels{labels.FromStrings("app", "a")},
	}
}

// The SQL of pages and countings: a change shows in review.
func TestGoldenSQL(t *testing.T) {
	var b strings.Builder
	sp := span{1000, 2000}
	for _, q := range []string{
		`{app="a"}`,
		`{app="a"} |= "error"`,
		`{app="a"} |= "request_id=5d5599c4ed0f4fb9 status"`,
		`{app="a"} != "100%'s" |= "a" or "b c"`,
		`{app="a"} |~ "user=\\d+ (failed|denied) login" !~ "^debug" |~ "(?i)timeout"`,
		`{app="a"} | detected_level="error" | trace_id="4bf92f3577b34da6a3ce929d0e0e4736" | user=~"a|b" or user!="c"`,
		`{app="a"} | json | user="a" |= "seen" | line_format "x" |= "unseen" | app="a"`,
		`{app="a"} |= ip("10.0.0.0/8") |> "<_> error <_>"`,
	} {
		e, err := syntax.ParseLogSelector(q, true)
		require.NoError(t, err)
		set := someStreams(sp)
		p := pushDown(stagesOf(e), set.has)
		pages := newPager(nil, set, p.conditions, sp, false, 100)
		fmt.Fprintf(&b, "-- %s\n-- exact: %v\n%s;\n\n", q, p.exact, pages.sql(sp))
	}
	for _, q := range []string{
		`sum by (app) (count_over_time({app="a"} |= "error" [1m]))`,
		`sum by (level, detected_level) (rate({app="a"} [1m] offset 5m))`,
	} {
		e, err := syntax.ParseSampleExpr(q)
		require.NoError(t, err)
		c, ok := countingOf(e)
		require.True(t, ok)
		g := newGrid(epoch, epoch.Add(time.Hour), time.Minute)
		set := someStreams(c.span(g))
		src := &source{c: c, g: g, set: set, names: c.by[:len(c.by)/2*2], where: strings.Join(append(set.where(c.span(g)), pushDown(stagesOf(c.selector), set.has).conditions...), " AND ")}
		all, surplus := src.sql()
		fmt.Fprintf(&b, "-- %s\n%s;\n-- lines that are there more than once\n%s;\n\n", q, all, surplus)
	}
	golden(t, "queries.sql", b.String())
}

func TestManyStreamsAreNotListed(t *testing.T) {
	set := someStreams(span{0, 1})
	set.ids = make([]proto.UInt128, maxListed+1)
	sql := strings.Join(set.where(set.span), " AND ")
	require.Contains(t, sql, "GLOBAL IN (SELECT stream")
	require.Less(t, len(sql), 1000)
}

func TestPieces(t *testing.T) {
	for needle, want := range map[string][]piece{
		"error":                       {{"error", false}},
		"=error=":                     {{"error", true}},
		"err":                         nil,
		"user_id=5d5599c4ed0f4fb9 ok": {{"user", false}, {"5d5599c4ed0f4fb9", true}},
		"/api/v1/products/17/details": {{"products", true}, {"details", false}},
		"日志 错误":                       {{"日志", false}, {"错误", false}},
		"aaaa bbbb cccc dddd eeeeee":  {{"aaaa", false}, {"bbbb", true}, {"cccc", true}},
	} {
		require.Equal(t, want, pieces(needle), needle)
	}
}

func TestWhatIsOffloaded(t *testing.T) {
	for q, want := range map[string]bool{
		`sum by (app) (count_over_time({app="a"}[1m]))`:                   true,
		`sum(bytes_rate({app="a"} |= "x" [1m]))`:                          true,
		`count_over_time({app="a"}[1m])`:                                  false, // its series have all metadata
		`sum by (trace_id) (rate({app="a"}[1m]))`:                         false,
		`sum without (app) (rate({app="a"}[1m]))`:                         false,
		`sum by (app) (sum_over_time({app="a"} | unwrap n [1m]))`:         false,
		`max by (app) (rate({app="a"}[1m]))`:                              false,
		`sum by (app_extracted) (count_over_time({app="a"}[1m]))`:         false,
		`sum by (app) (count_over_time({app="a"}[1m]) > 3)`:               false,
		`sum by (level, detected_level) (count_over_time({app="a"}[5s]))`: true,
	} {
		e, err := syntax.ParseSampleExpr(q)
		require.NoError(t, err)
		_, ok := countingOf(e)
		require.Equal(t, want, ok, q)
	}
}
