package traces

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/telemetry"
	"github.com/watchfire/watchfire/traces/traceql"
)

// TagNames returns the names of the attributes of a scope in a range of time
// (zero = the default one), sorted, at most limit (0 = the most that is
// allowed). Of events, links and scopes they are those of a sample of spans.
// A filter that is not nil leaves only those of spans for which it holds.
func (r *Reader) TagNames(ctx context.Context, tenant string, scope traceql.Scope, in Range, filter *traceql.Filter, limit int) ([]string, storage.Stats, error) {
	l, err := r.listing(tenant, in, filter, limit)
	if err != nil {
		return nil, storage.Stats{}, err
	}
	switch scope {
	case traceql.ScopeIntrinsic:
		return traceql.Intrinsics(), storage.Stats{}, nil
	case traceql.ScopeSpan:
		return l.texts(ctx, fmt.Sprintf("SELECT DISTINCT arrayJoin(mapKeys(attrs)) AS text FROM %s WHERE %s LIMIT %d", spansTable.Name, l.spans(), l.limit))
	case traceql.ScopeResource:
		return l.texts(ctx, fmt.Sprintf("SELECT DISTINCT arrayJoin(mapKeys(attrs)) AS text FROM %s WHERE %s LIMIT %d", resourcesTable.Name, l.resources(), l.limit))
	}
	names := map[string]bool{}
	stats, err := l.sample(ctx, func(s *telemetry.Span) {
		for _, attrs := range scopeAttributes(s, scope) {
			for i := range attrs {
				names[attrs[i].Key] = true
			}
		}
	})
	sorted := slices.Sorted(maps.Keys(names))
	return sorted[:min(len(sorted), l.limit)], stats, err
}

// TagValues returns the values of a field in the same way.
func (r *Reader) TagValues(ctx context.Context, tenant string, f traceql.Field, in Range, filter *traceql.Filter, limit int) ([]traceql.Value, storage.Stats, error) {
	l, err := r.listing(tenant, in, filter, limit)
	if err != nil {
		return nil, storage.Stats{}, err
	}
	switch f.Scope {
	case traceql.ScopeIntrinsic:
		return l.intrinsic(ctx, f.Name)
	case traceql.ScopeSpan:
		return l.attribute(ctx, spansTable.Name, l.spans(), f.Name)
	case traceql.ScopeResource:
		return l.attribute(ctx, resourcesTable.Name, l.resources(), f.Name)
	case traceql.ScopeAny:
		values, stats, err := l.attribute(ctx, resourcesTable.Name, l.resources(), f.Name)
		if err != nil {
			return nil, stats, err
		}
		more, s, err := l.attribute(ctx, spansTable.Name, l.spans(), f.Name)
		stats.Add(s)
		return l.distinct(append(values, more...)), stats, err
	}
	var values []traceql.Value
	stats, err := l.sample(ctx, func(s *telemetry.Span) {
		values = append(values, traceql.NewTrace([]telemetry.Span{*s}).Values(0, f)...)
	})
	return l.distinct(values), stats, err
}

// listing is one question for names or values.
type listing struct {
	compiler
	reader *Reader
	filter condition
	limit  int
}

func (r *Reader) listing(tenant string, in Range, filter *traceql.Filter, limit int) (listing, error) {
	in, err := r.rangeOf(in)
	if limit <= 0 || limit > r.cfg.MaxValues {
		limit = r.cfg.MaxValues
	}
	l := listing{compiler: compiler{tenant, in}, reader: r, filter: always, limit: limit}
	if filter != nil {
		l.filter = l.condition(filter.Expr, false)
	}
	return l, err
}

// spans is the condition on rows of the spans table.
func (l listing) spans() string {
	return spansWhere(l.tenant, l.in) + " AND " + l.filter.sql
}

// resources is the condition on rows of the resources table.
func (l listing) resources() string {
	where := "tenant = " + storage.String(l.tenant) + l.days()
	if l.filter.sql != "1" {
		where += fmt.Sprintf(" AND id GLOBAL IN (SELECT resource_id FROM %s WHERE %s)", spansTable.Name, l.spans())
	}
	return where
}

func (l listing) texts(ctx context.Context, sql string) ([]string, storage.Stats, error) {
	var (
		text proto.ColStr
		out  []string
	)
	stats, err := l.reader.db.Select(l.reader.limited(ctx), storage.Select{
		SQL:    "SELECT CAST(text, 'String') AS text FROM (" + sql + ")",
		Result: proto.Results{{Name: "text", Data: &text}},
		OnBlock: func(rows int) error {
			for i := range rows {
				out = append(out, text.Row(i))
			}
			return nil
		},
	})
	slices.Sort(out)
	return out, stats, limitError(err)
}

// attribute lists the values of an attribute of spans or resources.
func (l listing) attribute(ctx context.Context, table, where, key string) ([]traceql.Value, storage.Stats, error) {
	var (
		text proto.ColStr
		kind proto.ColUInt8
		out  []traceql.Value
	)
	k := storage.String(key)
	stats, err := l.reader.db.Select(l.reader.limited(ctx), storage.Select{
		SQL: fmt.Sprintf("SELECT DISTINCT attrs[%s] AS text, attr_kinds[indexOf(mapKeys(attrs), %s)] AS kind FROM %s WHERE %s AND mapContains(attrs, %s) LIMIT %d",
			k, k, table, where, k, l.limit),
		Result: proto.Results{{Name: "text", Data: &text}, {Name: "kind", Data: &kind}},
		OnBlock: func(rows int) error {
			for i := range rows {
				if v, ok := storedValue(text.Row(i), kind[i]); ok {
					out = append(out, v)
				}
			}
			return nil
		},
	})
	return l.distinct(out), stats, limitError(err)
}

// storedValue reads a value from its text and kindNumber; arrays and maps,
// which no query can name, are none.
func storedValue(text string, kind uint8) (traceql.Value, bool) {
	switch telemetry.Kind(kind - 1) {
	case telemetry.KindString:
		return traceql.StringValue(text), true
	case telemetry.KindInt:
		n, err := strconv.ParseInt(text, 10, 64)
		return traceql.IntValue(n), err == nil
	case telemetry.KindFloat:
		f, err := strconv.ParseFloat(text, 64)
		return traceql.FloatValue(f), err == nil
	case telemetry.KindBool:
		return traceql.BoolValue(text == "true"), true
	}
	return traceql.Value{}, false
}

// intrinsicColumns are the intrinsics whose values can be listed.
var intrinsicColumns = map[string]struct{ column, where string }{
	traceql.SpanName:          {"name", "1"},
	traceql.SpanStatusMessage: {"status_message", "status_message != ''"},
	traceql.RootName:          {"name", "parent_id = " + noParent},
	traceql.RootService:       {"service", "parent_id = " + noParent + " AND service != ''"},
	traceql.EventName:         {"arrayJoin(event_names)", "notEmpty(event_names)"},
	traceql.ScopeName:         {"scope_name", "scope_name != ''"},
	traceql.ScopeVersion:      {"scope_version", "scope_version != ''"},
}

func (l listing) intrinsic(ctx context.Context, name string) (out []traceql.Value, stats storage.Stats, err error) {
	switch name {
	case traceql.SpanStatus:
		for s := telemetry.StatusUnset; s <= telemetry.StatusError; s++ {
			out = append(out, traceql.StatusValue(s))
		}
		return out, stats, nil
	case traceql.SpanKind:
		for k := telemetry.SpanKindUnspecified; k <= telemetry.SpanKindConsumer; k++ {
			out = append(out, traceql.SpanKindValue(k))
		}
		return out, stats, nil
	}
	c, ok := intrinsicColumns[name]
	if !ok {
		return nil, stats, nil // ids and durations are not listed
	}
	texts, stats, err := l.texts(ctx, fmt.Sprintf("SELECT DISTINCT %s AS text FROM %s WHERE %s AND %s LIMIT %d", c.column, spansTable.Name, l.spans(), c.where, l.limit))
	for _, s := range texts {
		out = append(out, traceql.StringValue(s))
	}
	return out, stats, err
}

// distinct sorts values and leaves each once.
func (l listing) distinct(values []traceql.Value) []traceql.Value {
	seen := map[traceql.Value]bool{}
	values = slices.DeleteFunc(values, func(v traceql.Value) bool {
		again := seen[v] || v.Type == traceql.TypeOther
		seen[v] = true
		return again
	})
	slices.SortFunc(values, func(a, b traceql.Value) int {
		if a.Text() < b.Text() || a.Text() == b.Text() && a.Type < b.Type {
			return -1
		}
		return 1
	})
	return values[:min(len(values), l.limit)]
}

// sampledTraces is of how many traces the spans are read for what is not a
// column of the spans table.
const sampledTraces = 100

// sample visits the spans of some traces with events, links or scopes.
func (l listing) sample(ctx context.Context, visit func(*telemetry.Span)) (storage.Stats, error) {
	c := candidates{where: "(notEmpty(event_names) OR notEmpty(link_traces) OR scope_name != '') AND " + l.filter.sql, exact: true}
	s := search{reader: l.reader, tenant: l.tenant, in: l.in, candidates: c}
	ids, _, err := s.page(ctx, l.in, nil, sampledTraces)
	if err != nil {
		return s.result.Stats, limitError(err)
	}
	traces, stats, err := l.reader.Traces(ctx, l.tenant, ids, l.in.widen(24*time.Hour))
	stats.Add(s.result.Stats)
	for _, t := range traces {
		for i := range t.Spans {
			visit(&t.Spans[i])
		}
	}
	return stats, err
}

// scopeAttributes are the attributes of a span in a scope.
func scopeAttributes(s *telemetry.Span, scope traceql.Scope) (out [][]telemetry.Attribute) {
	switch scope {
	case traceql.ScopeEvent:
		for i := range s.Events {
			out = append(out, s.Events[i].Attributes)
		}
	case traceql.ScopeLink:
		for i := range s.Links {
			out = append(out, s.Links[i].Attributes)
		}
	case traceql.ScopeInstrumentation:
		out = append(out, s.Scope.Attributes)
	}
	return out
}
