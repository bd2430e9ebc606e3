package traces

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/watchfire/watchfire/storage/engine/enginetest"
	"github.com/watchfire/watchfire/telemetry"
	"github.com/watchfire/watchfire/traces/traceql"
)

const testTime = 1_700_000_000_000_000_000

var testRange = Range{testTime, testTime + int64(time.Hour)}

// goldenQueries are compiled to SQL in testdata/search.sql.
var goldenQueries = []string{
	"{ }",
	"{ false }",
	`{ resource.service.name = "cart" && name =~ "GET .*" && duration > 100ms && status = error && kind != client }`,
	`{ .service.name = "cart" || .http.status_code >= 500 }`,
	`{ span.http.status_code = 500 && span.ok && span.ratio < 0.5 && span.x != nil && resource.y = nil }`,
	`{ !(span.a = "x" && (span.b = 1 || event.c = "y")) }`,
	`{ event:name = "exception" && event.exception.type = "io" && link:traceID = "abc" }`,
	`{ rootName = "GET /" && traceDuration > 1s }`,
	`{ nestedSetParent < 0 && span:id = "0000000000000001" && trace:id = "00000000000000000000000000000001" }`,
	`{ .a = "it's \\ \"quoted\"" }`,
	`{ name = "a" } && { name = "b" }`,
	`{ name = "a" } || { name = "b" }`,
	`{ name = "a" } >> { name = "b" } | select(.x)`,
	`{ name = "a" } !> { name = "b" }`,
	`{ name = "a" } | count() > 3`,
	`{ name = "a" } | by(.x) | avg(duration) > 1s`,
	`{ .a + 1 = 2 && name = "x" }`,
}

func TestSearchGolden(t *testing.T) {
	var b strings.Builder
	for _, text := range goldenQueries {
		q, err := traceql.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		c := planCandidates(compiler{"t", testRange}, q.Stages)
		fmt.Fprintf(&b, "-- %s\n-- exact: %v\n%s;\n\n", text, c.exact, c.sql("t", testRange, nil, 20))
	}
	golden(t, "search.sql", b.String())
}

// randomTraces makes traces of a few spans with attributes of all kinds under
// few keys, so that random queries find something.
func randomTraces(rnd *rand.Rand, n int) []telemetry.Span {
	value := func() telemetry.Value {
		switch rnd.IntN(8) {
		case 0:
			return telemetry.IntValue(int64(rnd.IntN(4)))
		case 1:
			return telemetry.FloatValue(float64(rnd.IntN(6)) / 2)
		case 2:
			return telemetry.BoolValue(rnd.IntN(2) == 0)
		case 3:
			return telemetry.JSONValue(`[1,"a"]`)
		case 4:
			return telemetry.IntValue(rnd.Int64() - rnd.Int64())
		}
		return telemetry.StringValue([]string{"", "a", "b", "ab", "1", "true", "a\nb"}[rnd.IntN(7)])
	}
	attrs := func(n int) (out []telemetry.Attribute) {
		for _, k := range rnd.Perm(4)[:rnd.IntN(n+1)] {
			out = append(out, telemetry.Attribute{Key: string(rune('a' + k)), Value: value()})
		}
		return out
	}
	var spans []telemetry.Span
	for i := range n {
		var mine []telemetry.Span
		start := testTime + rnd.Int64N(int64(time.Hour))
		for j := range 1 + rnd.IntN(6) {
			s := telemetry.Span{
				TraceID: telemetry.TraceID{0: 1, 14: byte(i >> 8), 15: byte(i)}, SpanID: telemetry.SpanID{6: byte(i), 7: byte(j + 1)},
				Name: string(rune('a' + rnd.IntN(3))), Kind: telemetry.SpanKind(rnd.IntN(6)), Status: telemetry.StatusCode(rnd.IntN(3)),
				StatusMessage: []string{"", "a"}[rnd.IntN(2)], Start: start + int64(j)*1000, Duration: rnd.Int64N(5) * 1e9,
				Resource: append([]telemetry.Attribute{{Key: "service.name", Value: telemetry.StringValue([]string{"a", "b", ""}[rnd.IntN(3)])}}, attrs(2)...),
				Scope:    telemetry.Scope{Name: []string{"", "a"}[rnd.IntN(2)]}, Attributes: attrs(4),
			}
			if rnd.IntN(4) == 0 {
				s.Resource = s.Resource[1:]
			}
			if j > 0 {
				s.ParentID = mine[rnd.IntN(j)].SpanID
			}
			for range rnd.IntN(3) {
				s.Events = append(s.Events, telemetry.SpanEvent{Time: s.Start, Name: string(rune('a' + rnd.IntN(3))), Attributes: attrs(1)})
			}
			if rnd.IntN(4) == 0 {
				s.Links = []telemetry.SpanLink{{TraceID: telemetry.TraceID{15: byte(rnd.IntN(3))}, SpanID: telemetry.SpanID{1}, Attributes: attrs(1)}}
			}
			mine = append(mine, s)
		}
		spans = append(spans, mine...)
	}
	return spans
}

// randomQuery writes a query about what randomTraces makes.
func randomQuery(rnd *rand.Rand) string {
	pick := func(ss ...string) string { return ss[rnd.IntN(len(ss))] }
	var expr func(depth int) string
	leaf := func() string {
		scope := pick(".", "span.", "resource.", "span.", ".", "event.", "link.", "parent.")
		key := scope + pick("a", "b", "c", "d", "service.name")
		text := pick(`""`, `"a"`, `"b"`, `"1"`, `"true"`, `"ab"`)
		order := pick("=", "!=", "<", "<=", ">", ">=")
		switch rnd.IntN(16) {
		case 0:
			return key + " " + order + " " + pick("0", "1", "2", "-1", "9007199254740993", "4611686018427387904")
		case 1:
			return key + " " + order + " " + pick("0.5", "1.0", "2.5", "1e18")
		case 2:
			return key + " " + order + " " + text
		case 3:
			return key + " " + pick("=~", "!~") + " " + pick(`"a"`, `"a|b"`, `".*"`, `"a.*"`, `"[^a]+"`, `".+b"`)
		case 4:
			return key + " " + pick("=", "!=") + " " + pick("nil", "true", "false", "error")
		case 5:
			return pick("", "!") + key
		case 6:
			return pick("name", "statusMessage", "instrumentation:name", "rootName", "rootServiceName", "event:name", "link:traceID") + " " + order + " " + text
		case 7:
			return pick("name", "statusMessage", "event:name") + " " + pick("=~", "!~") + " " + pick(`"a|c"`, `".*"`)
		case 8:
			return "status " + pick("=", "!=") + " " + pick("error", "ok", "unset")
		case 9:
			return "kind " + pick("=", "!=") + " " + pick("server", "client", "unspecified")
		case 10:
			return pick("duration", "traceDuration", "event:timeSinceStart") + " " + order + " " + pick("0s", "1s", "2500ms", "2", "1.5")
		case 11:
			return "nestedSetParent " + pick("< 0", "= -1", "> 0")
		case 12:
			return pick("1", "2.0") + " " + order + " " + key
		case 13:
			return key + " + 1 " + order + " 2"
		case 14:
			return key + " " + order + " .b"
		}
		return pick("span:childCount = 1", "true", "false", `link:spanID = "0100000000000000"`, "nestedSetLeft > 2")
	}
	expr = func(depth int) string {
		switch n := rnd.IntN(8); {
		case depth > 0 && n < 4:
			return "(" + expr(depth-1) + " " + pick("&&", "||") + " " + expr(depth-1) + ")"
		case depth > 0 && n == 4:
			return "!(" + expr(depth-1) + " " + pick("&&", "||") + " " + expr(depth-1) + ")"
		}
		return leaf()
	}
	spanset := func() string { return "{ " + expr(rnd.IntN(3)) + " }" }
	switch rnd.IntN(8) {
	case 0:
		return spanset() + " " + pick("&&", "||", ">", ">>", "<", "<<", "~", "!>", "!>>", "!~", "&>", "&>>") + " " + spanset()
	case 1:
		return "(" + spanset() + " " + pick("&&", "||") + " " + spanset() + ") " + pick("&&", "||", ">>") + " " + spanset()
	case 2:
		return spanset() + " | " + pick("count() > 1", "count() >= 3", "count() = 2", "avg(duration) > 1s", "max(.a) > 1", "sum(duration) >= 3s")
	case 3:
		return spanset() + " | by(" + pick("name", ".a", "kind") + ") | count() > 1"
	case 4:
		return spanset() + " | " + spanset()
	}
	return spanset()
}

// TestSearchAgainstEvaluation holds searches by SQL against the evaluation of
// the query on every trace.
func TestSearchAgainstEvaluation(t *testing.T) {
	const traces, queries = 100, 80
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 1))
	tenant := enginetest.Tenant(t)
	spans := randomTraces(rnd, traces)
	write(t, tenant, spans...)
	byTrace := map[telemetry.TraceID][]telemetry.Span{}
	for _, s := range spans {
		byTrace[s.TraceID] = append(byTrace[s.TraceID], s)
	}
	r := reader(t)
	found := 0
	for range queries {
		text := randomQuery(rnd)
		q, err := traceql.Parse(text)
		if err != nil {
			continue // types that can't match
		}
		want := map[telemetry.TraceID]string{}
		for id, spans := range byTrace {
			if sets := q.Eval(traceql.NewTrace(spans), nil); len(sets) > 0 {
				want[id] = fmt.Sprint(sets)
			}
		}
		got, err := r.Search(t.Context(), tenant, Search{Query: q, In: Range{testTime, testTime + int64(61*time.Minute)}, Limit: traces})
		if err != nil {
			t.Errorf("seed %d, %s: %v", seed, text, err)
			continue
		}
		if c := planCandidates(compiler{tenant, testRange}, q.Stages); c.exact && got.Incomplete == "" {
			found++
		}
		for _, f := range got.Traces {
			if fmt.Sprint(f.Sets) != want[f.ID] {
				t.Errorf("seed %d, %s: trace %x has %v, want %s", seed, text, f.ID, f.Sets, want[f.ID])
			}
			delete(want, f.ID)
		}
		for id := range want {
			t.Errorf("seed %d, %s: trace %x is not found: %+v", seed, text, id, byTrace[id])
			break
		}
	}
	if found < queries/10 {
		t.Errorf("only %d of %d queries were decided by SQL alone", found, queries)
	}
}

// TestExactCandidates holds the exact conditions alone against the evaluation:
// Search evaluates what SQL finds again, and so would hide too much.
func TestExactCandidates(t *testing.T) {
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 2))
	tenant := enginetest.Tenant(t)
	spans := randomTraces(rnd, 100)
	write(t, tenant, spans...)
	byTrace := map[telemetry.TraceID][]telemetry.Span{}
	for _, s := range spans {
		byTrace[s.TraceID] = append(byTrace[s.TraceID], s)
	}
	in := Range{testTime, testTime + int64(2*time.Hour)}
	for range 100 {
		text := randomQuery(rnd)
		q, err := traceql.Parse(text)
		if err != nil {
			continue
		}
		s := search{reader: reader(t), tenant: tenant, query: q, in: in, candidates: planCandidates(compiler{tenant, in}, q.Stages)}
		if !s.candidates.exact {
			continue
		}
		ids, _, err := s.page(t.Context(), in, nil, 1000)
		if err != nil {
			t.Errorf("seed %d, %s: %v", seed, text, err)
		}
		for _, id := range ids {
			if len(q.Eval(traceql.NewTrace(byTrace[id]), nil)) == 0 {
				t.Errorf("seed %d, %s: SQL selects trace %x: %+v", seed, text, id, byTrace[id])
				break
			}
		}
	}
}

func TestSearchIsNewestFirstAndLimited(t *testing.T) {
	tenant := enginetest.Tenant(t)
	var spans []telemetry.Span
	for i := range 40 {
		spans = append(spans, telemetry.Span{TraceID: telemetry.TraceID{15: byte(i + 1)}, SpanID: telemetry.SpanID{1}, Name: "op", Start: testTime + int64(i)*int64(time.Minute)})
	}
	write(t, tenant, spans...)
	write(t, tenant, spans[30:]...) // stored twice
	for _, query := range []string{`{ name = "op" }`, `{ name = "op" } && { name =~ "o." }`, `{ name = "op" && span:childCount = 0 }`} {
		q, err := traceql.Parse(query)
		if err != nil {
			t.Fatal(err)
		}
		got, err := reader(t).Search(t.Context(), tenant, Search{Query: q, In: Range{testTime, testTime + int64(35*time.Minute)}, Limit: 5})
		if err != nil {
			t.Fatal(err)
		}
		var ids []int
		for _, f := range got.Traces {
			ids = append(ids, int(f.ID[15]))
		}
		if !slices.Equal(ids, []int{35, 34, 33, 32, 31}) {
			t.Errorf("%s: %v", query, ids)
		}
		if got.Stats.Rows == 0 {
			t.Errorf("%s: no rows read", query)
		}
	}
}

func TestSearchLimits(t *testing.T) {
	tenant := enginetest.Tenant(t)
	rnd := rand.New(rand.NewPCG(1, 1))
	write(t, tenant, randomTraces(rnd, 200)...)
	q, err := traceql.Parse("{ span:childCount > 1000 }")
	if err != nil {
		t.Fatal(err)
	}
	r := reader(t)
	r.cfg.MaxCandidates = 50
	got, err := r.Search(t.Context(), tenant, Search{Query: q, In: testRange, Limit: 5})
	if err != nil || !strings.Contains(got.Incomplete, "max_candidates") {
		t.Errorf("%v, %q", err, got.Incomplete)
	}
	r.cfg.MaxRange = 2 * time.Hour
	r.cfg.MaxTraces = 100
	for _, c := range []struct {
		search Search
		want   string
	}{
		{Search{Query: q, In: testRange, Limit: 101}, "max_traces"},
		{Search{Query: q, In: testRange.widen(time.Hour), Limit: 5}, "max_range"},
		{Search{Query: q, In: Range{5, 5}, Limit: 5}, "not before"},
	} {
		if _, err := r.Search(t.Context(), tenant, c.search); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: want %q", err, c.want)
		}
	}
	r = reader(t)
	r.cfg.MaxRowsRead = 10
	if _, err := r.Search(t.Context(), tenant, Search{Query: q, In: testRange, Limit: 5}); err == nil || !strings.Contains(err.Error(), "max_rows_read") {
		t.Errorf("%v: want the limit of rows", err)
	}
}

func TestSearchOfAnotherTenant(t *testing.T) {
	mine, other := enginetest.Tenant(t), enginetest.Tenant(t)
	s := fullSpan()
	write(t, mine, s)
	for _, query := range []string{"{ }", `{ rootName = "x" || true }`, `{ resource.process.pid = 7 }`} {
		q, err := traceql.Parse(query)
		if err != nil {
			t.Fatal(err)
		}
		in := Range{s.Start - 1, s.Start + 1}
		if got, err := reader(t).Search(t.Context(), mine, Search{Query: q, In: in, Limit: 5}); err != nil || len(got.Traces) != 1 {
			t.Errorf("%s: %v, %d traces", query, err, len(got.Traces))
		}
		if got, err := reader(t).Search(t.Context(), other, Search{Query: q, In: in, Limit: 5}); err != nil || len(got.Traces) != 0 {
			t.Errorf("%s finds another tenant's traces: %v", query, err)
		}
	}
}
