package traces

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/watchfire/watchfire/server"
	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/telemetry"
	"github.com/watchfire/watchfire/traces/traceql"
)

// Series is one time series made of spans.
type Series struct {
	Labels []traceql.Attribute // what it was grouped by; p of a quantile; __bucket of a histogram
	Points []Point             // by time
}

// Point is a value of a step.
type Point struct {
	Start int64 // Unix nanoseconds at which the step begins
	Value float64
}

// maxPoints is how many steps a metric may have, as in Prometheus.
const maxPoints = 11_000

// noValue is the label of spans without the field that is grouped by.
const noValue = "nil"

// Metric runs a query that ends in rate(), count_over_time(), or another
// function over time: one value for each step that begins within the range,
// whose start is moved back to a multiple of step. A step of zero is the range
// as it is. Durations are in seconds.
// Before the function there may be one spanset filter, which SQL must be able
// to decide. At most QueryConfig.MaxValues series are returned.
func (r *Reader) Metric(ctx context.Context, tenant string, q *traceql.Query, in Range, step time.Duration) ([]Series, storage.Stats, error) {
	in, err := r.rangeOf(in)
	if err != nil {
		return nil, storage.Stats{}, err
	}
	if step <= 0 {
		step = time.Duration(in.To - in.From)
	} else {
		in.From -= ((in.From % int64(step)) + int64(step)) % int64(step)
	}
	steps := (in.To - in.From + int64(step) - 1) / int64(step)
	if steps > maxPoints {
		return nil, storage.Stats{}, server.Invalid("%d steps of %s are more than the limit of %d: ask for a longer step or a shorter time", steps, step, maxPoints)
	}
	m, err := planMetric(compiler{tenant, in}, q, step)
	if err != nil {
		return nil, storage.Stats{}, err
	}
	read := metricRead{plan: m, series: map[string]int{}, steps: steps, in: in, step: int64(step), most: r.cfg.MaxValues}
	stats, err := r.db.Select(r.limited(ctx), storage.Select{SQL: m.sql, Result: read.results(), OnBlock: read.block})
	sortSeries(read.out)
	return read.out, stats, limitError(err)
}

// metricPlan is a metric as SQL, which gives a row for each step and group.
type metricPlan struct {
	sql    string
	metric *traceql.Metric
	groups int // columns g0, g1, ...; the bucket of a histogram is the last
}

func planMetric(c compiler, q *traceql.Query, step time.Duration) (metricPlan, error) {
	m := q.Metric
	if m == nil {
		return metricPlan{}, server.Invalid("%s is no metrics query: end it with rate(), count_over_time(), ...", q)
	}
	where := always
	if len(q.Stages) > 0 {
		f, ok := q.Stages[0].(*traceql.Filter)
		if !ok || !onlySelects(q.Stages[1:]) {
			return metricPlan{}, server.Unprocessable("metrics of %s are not supported: before %s there may be one spanset filter", q, m)
		}
		where = c.condition(f.Expr, false)
	}
	if !where.exact {
		return metricPlan{}, server.Unprocessable("metrics of %s are not supported: the filter has a field that needs the whole trace, or calculates", q)
	}
	p := metricPlan{metric: m}
	value, err := metricValue(m)
	if err != nil {
		return p, err
	}
	var inner, groups []string
	group := func(sql string) {
		name := fmt.Sprintf("g%d", p.groups)
		inner, groups = append(inner, sql+" AS "+name), append(groups, name)
		p.groups++
	}
	resources := &resourceJoin{}
	for _, f := range m.By {
		sql, err := groupText(f, resources)
		if err != nil {
			return p, err
		}
		group("CAST(" + sql + ", 'String')")
	}
	if m.Func == "histogram_over_time" {
		group("if(value > 0, toString(exp2(ceil(log2(value)))), '0')")
	}
	numbers := func(head string) string { return strings.Join(append([]string{head}, groups...), ", ") }
	p.sql = fmt.Sprintf("SELECT %s, %s AS result FROM (SELECT intDiv(start - %d, %d) AS step, %s AS value%s FROM %s%s WHERE %s AND %s LIMIT 1 BY cityHash64(trace_id, span_id, kind))%s GROUP BY %s ORDER BY %s",
		numbers("step"), metricResult(m, step), c.in.From, int64(step), value, prefixed(inner), spansTable.Name, resources.sql(c), spansWhere(c.tenant, c.in), where.sql,
		notNull(m), numbers("step"), numbers("step"))
	return p, nil
}

func prefixed(columns []string) string {
	if len(columns) == 0 {
		return ""
	}
	return ", " + strings.Join(columns, ", ")
}

func notNull(m *traceql.Metric) string {
	if m.Field == nil {
		return ""
	}
	return " WHERE NOT isNaN(value)"
}

// metricValue is the number of a span, NaN when it has none.
func metricValue(m *traceql.Metric) (string, error) {
	if m.Field == nil {
		return "toFloat64(1)", nil
	}
	f := *m.Field
	switch {
	case f.Scope == traceql.ScopeIntrinsic && f.Name == traceql.SpanDuration:
		return "duration / 1e9", nil
	case (f.Scope == traceql.ScopeSpan || f.Scope == traceql.ScopeAny) && !f.Parent:
		k := storage.String(f.Name)
		return fmt.Sprintf("if(attr_kinds[indexOf(mapKeys(attrs), %s)]%s, toFloat64OrZero(attrs[%s]), nan)", k, kindIn(telemetry.KindInt, telemetry.KindFloat), k), nil
	}
	return "", server.Unprocessable("%s of %s is not supported: use duration or an attribute of spans", m.Func, f)
}

// metricResult is an array of the metric's values.
func metricResult(m *traceql.Metric, step time.Duration) string {
	switch m.Func {
	case "rate":
		return fmt.Sprintf("[count() / %s]", floatLiteral(step.Seconds()))
	case "count_over_time", "histogram_over_time":
		return "[toFloat64(count())]"
	case "quantile_over_time":
		var levels []string
		for _, q := range m.Quantiles {
			levels = append(levels, fmt.Sprint(q))
		}
		return "quantiles(" + strings.Join(levels, ", ") + ")(value)"
	}
	return "[" + strings.TrimSuffix(m.Func, "_over_time") + "(value)]"
}

// resourceJoin adds columns of resources to spans.
type resourceJoin struct{ columns []string }

func (j *resourceJoin) column(key string) string {
	k := storage.String(key)
	j.columns = append(j.columns, fmt.Sprintf("any(if(mapContains(attrs, %s), attrs[%s], '%s')) AS r%d", k, k, noValue, len(j.columns)))
	return fmt.Sprintf("r%d", len(j.columns)-1)
}

func (j *resourceJoin) sql(c compiler) string {
	if len(j.columns) == 0 {
		return ""
	}
	return fmt.Sprintf(" ANY LEFT JOIN (SELECT id AS rid, %s FROM %s WHERE tenant = %s%s GROUP BY id) AS res ON resource_id = rid",
		strings.Join(j.columns, ", "), resourcesTable.Name, storage.String(c.tenant), c.days())
}

// groupText is the text of a field that spans are grouped by.
func groupText(f traceql.Field, resources *resourceJoin) (string, error) {
	k := storage.String(f.Name)
	span := func(otherwise string) string {
		return fmt.Sprintf("if(mapContains(attrs, %s), attrs[%s], %s)", k, k, otherwise)
	}
	service := "if(service != '', service, '" + noValue + "')"
	switch {
	case f.Parent:
	case f.Scope == traceql.ScopeResource && f.Name == serviceName:
		return service, nil
	case f.Scope == traceql.ScopeAny && f.Name == serviceName:
		return span(service), nil
	case f.Scope == traceql.ScopeSpan:
		return span("'" + noValue + "'"), nil
	case f.Scope == traceql.ScopeResource:
		return resources.column(f.Name), nil
	case f.Scope == traceql.ScopeAny:
		return span(resources.column(f.Name)), nil
	case f.Scope == traceql.ScopeIntrinsic:
		switch f.Name {
		case traceql.SpanStatus:
			return "transform(status, [0, 1, 2], ['unset', 'ok', 'error'], toString(status))", nil
		case traceql.SpanKind:
			return "transform(kind, [0, 1, 2, 3, 4, 5], ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'], toString(kind))", nil
		}
		if column, ok := textIntrinsics[f.Name]; ok {
			return column, nil
		}
	}
	return "", server.Unprocessable("by(%s) is not supported: use an attribute of spans or resources, name, status or kind", f)
}

// metricRead gathers the rows of a metric into series.
type metricRead struct {
	plan   metricPlan
	series map[string]int
	steps  int64
	in     Range
	step   int64
	most   int
	out    []Series

	at     proto.ColInt64
	text   []proto.ColStr
	values *proto.ColArr[float64]
}

func (m *metricRead) results() proto.Results {
	m.text = make([]proto.ColStr, m.plan.groups)
	m.values = proto.NewArray[float64](new(proto.ColFloat64))
	out := proto.Results{{Name: "step", Data: &m.at}}
	for i := range m.text {
		out = append(out, proto.ResultColumn{Name: fmt.Sprintf("g%d", i), Data: &m.text[i]})
	}
	return append(out, proto.ResultColumn{Name: "result", Data: m.values})
}

func (m *metricRead) block(rows int) error {
	for i := range rows {
		groups := make([]string, len(m.text))
		for j := range m.text {
			groups[j] = m.text[j].Row(i)
		}
		for j, v := range m.values.Row(i) {
			s, err := m.find(groups, j)
			if err != nil {
				return err
			}
			if s.fills(m.plan.metric) {
				s.Points[m.at[i]].Value = v
			} else if !math.IsNaN(v) {
				s.Points = append(s.Points, Point{m.in.From + m.at[i]*m.step, v})
			}
		}
	}
	return nil
}

// fills reports whether a step without spans is zero instead of nothing.
func (*Series) fills(m *traceql.Metric) bool { return m.Func == "rate" || m.Func == "count_over_time" }

// find returns the series of a group and the number of a quantile.
func (m *metricRead) find(groups []string, quantile int) (*Series, error) {
	key := fmt.Sprintf("%d%q", quantile, groups)
	if i, ok := m.series[key]; ok {
		return &m.out[i], nil
	}
	if len(m.out) == m.most {
		return nil, server.Unprocessable("more than %d series: group by less, or raise traces.query.max_values", m.most)
	}
	var s Series
	for i, f := range m.plan.metric.By {
		s.Labels = append(s.Labels, traceql.Attribute{Name: f.String(), Value: traceql.StringValue(groups[i])})
	}
	switch m.plan.metric.Func {
	case "quantile_over_time":
		s.Labels = append(s.Labels, traceql.Attribute{Name: "p", Value: traceql.FloatValue(m.plan.metric.Quantiles[quantile])})
	case "histogram_over_time":
		var bound float64
		fmt.Sscan(groups[len(groups)-1], &bound) // ClickHouse wrote a number
		s.Labels = append(s.Labels, traceql.Attribute{Name: "__bucket", Value: traceql.FloatValue(bound)})
	}
	if s.fills(m.plan.metric) {
		for i := range m.steps {
			s.Points = append(s.Points, Point{Start: m.in.From + i*m.step})
		}
	}
	m.series[key] = len(m.out)
	m.out = append(m.out, s)
	return &m.out[len(m.out)-1], nil
}

// sortSeries orders series by their labels, for answers that do not change.
func sortSeries(series []Series) {
	key := func(s Series) string {
		var b strings.Builder
		for _, l := range s.Labels {
			b.WriteString(l.Name + "=" + l.Value.Text() + "\x00")
		}
		return b.String()
	}
	slices.SortFunc(series, func(a, b Series) int { return strings.Compare(key(a), key(b)) })
}
