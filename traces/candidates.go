package traces

import (
	"fmt"
	"strings"

	"github.com/watchfire/watchfire/telemetry"
	"github.com/watchfire/watchfire/traces/traceql"
)

// candidates finds the traces that a query may select, newest first.
type candidates struct {
	where  string // of spans
	having string // of traces, empty = none: then a span that passes where is enough
	exact  bool   // every candidate is selected
}

// planCandidates compiles what the stages need of a trace's spans.
func planCandidates(c compiler, stages []traceql.Stage) candidates {
	if len(stages) == 0 {
		return candidates{where: "1", exact: true}
	}
	p := candidatePlan{compiler: c}
	tree := p.need(stages[0])
	out := candidates{where: p.anySpan().sql, exact: tree.exact && onlySelects(stages[1:])}
	if tree.both {
		out.having = tree.sql
	}
	if op, n, ok := countStage(stages); ok {
		out.having = fmt.Sprintf("count() %s %d", op, n)
	}
	return out
}

// candidatePlan gathers the conditions on spans of a stage.
type candidatePlan struct {
	compiler
	spans []condition
}

// need is a condition on a trace: SQL over its spans that pass anySpan.
type need struct {
	sql   string
	exact bool
	both  bool // it takes more than one span
}

func (p *candidatePlan) need(s traceql.Stage) need {
	switch s := s.(type) {
	case *traceql.Filter:
		return p.span(p.condition(s.Expr, false))
	case *traceql.Pipeline:
		n := p.need(s.Stages[0])
		n.exact = n.exact && onlySelects(s.Stages[1:])
		return n
	case *traceql.Select:
		return p.span(always)
	case *traceql.SpansetOp:
		if s.Op[0] == '!' { // what is on the left must not be there
			n := p.need(s.Right)
			n.exact = false
			return n
		}
		l, r := p.need(s.Left), p.need(s.Right)
		if s.Op == "||" {
			return need{"(" + l.sql + " OR " + r.sql + ")", l.exact && r.exact, l.both || r.both}
		}
		return need{"(" + l.sql + " AND " + r.sql + ")", s.Op == "&&" && l.exact && r.exact, true}
	}
	n := p.span(always)
	n.exact = false
	return n
}

func (p *candidatePlan) span(c condition) need {
	p.spans = append(p.spans, c)
	return need{"max(" + c.sql + ")", c.exact, false}
}

// anySpan is true for spans that any part of the query may select.
func (p *candidatePlan) anySpan() condition {
	any := never
	for _, c := range p.spans {
		any = either(any, c)
	}
	return any
}

func onlySelects(stages []traceql.Stage) bool {
	for _, s := range stages {
		if _, ok := s.(*traceql.Select); !ok {
			return false
		}
	}
	return true
}

// countStage recognizes { ... } | count() > n. Spans that were stored twice
// make the count too high, never too low.
func countStage(stages []traceql.Stage) (op string, n int64, ok bool) {
	if len(stages) < 2 {
		return "", 0, false
	}
	if _, ok := stages[0].(*traceql.Filter); !ok {
		return "", 0, false
	}
	f, ok := stages[1].(*traceql.ScalarFilter)
	if !ok || f.Op != ">" && f.Op != ">=" {
		return "", 0, false
	}
	a, isAggregate := f.Left.(*traceql.Aggregate)
	s, isStatic := f.Right.(*traceql.Static)
	if !isAggregate || !isStatic || a.Func != "count" || s.Value.Type != traceql.TypeInt {
		return "", 0, false
	}
	return f.Op, s.Value.Int(), true
}

// after is where a page of candidates goes on.
type after struct {
	start int64
	id    telemetry.TraceID
}

// sql is the query for a page of candidates in a range of time: trace_id and
// the start of the newest span that passes where.
func (c candidates) sql(tenant string, in Range, from *after, limit int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "SELECT trace_id, max(start) AS newest FROM %s WHERE %s", spansTable.Name, spansWhere(tenant, in))
	if c.where != "1" {
		b.WriteString(" AND " + c.where)
	}
	b.WriteString(" GROUP BY trace_id")
	having := c.having
	if from != nil {
		page := fmt.Sprintf("(newest, trace_id) < (%d, %s)", from.start, hexLiterals([]telemetry.TraceID{from.id}))
		if having != "" {
			page = having + " AND " + page
		}
		having = page
	}
	if having != "" {
		b.WriteString(" HAVING " + having)
	}
	fmt.Fprintf(&b, " ORDER BY newest DESC, trace_id DESC LIMIT %d", limit)
	return b.String()
}
