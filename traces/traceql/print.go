package traceql

import (
	"strconv"
	"strings"
)

// String is the query in one form: parsed again it is the same query.
func (q *Query) String() string {
	s := joinStages(q.Stages)
	if q.Metric != nil {
		if s != "" {
			s += " | "
		}
		s += q.Metric.String()
	}
	if len(q.Hints) > 0 {
		hints := make([]string, len(q.Hints))
		for i, h := range q.Hints {
			hints[i] = h.Name + "=" + h.Value.String()
		}
		s += " with(" + strings.Join(hints, ", ") + ")"
	}
	return s
}

func joinStages(stages []Stage) string {
	parts := make([]string, len(stages))
	for i, s := range stages {
		parts[i] = s.String()
	}
	return strings.Join(parts, " | ")
}

// String is the metric as it is written in a query.
func (m *Metric) String() string {
	var args []string
	if m.Field != nil {
		args = append(args, m.Field.String())
	}
	for _, q := range m.Quantiles {
		args = append(args, strconv.FormatFloat(q, 'f', -1, 64))
	}
	s := m.Func + "(" + strings.Join(args, ", ") + ")"
	if len(m.By) > 0 {
		s += " by(" + joinFields(m.By) + ")"
	}
	return s
}

func joinFields(fields []Field) string {
	parts := make([]string, len(fields))
	for i, f := range fields {
		parts[i] = f.String()
	}
	return strings.Join(parts, ", ")
}

// These are the stages, scalars and expressions as they are written in a
// query, with all parentheses.
func (f *Filter) String() string {
	if s, ok := f.Expr.(*Static); ok && s.Value.IsTrue() {
		return "{ }"
	}
	return "{ " + f.Expr.String() + " }"
}

func (s *SpansetOp) String() string {
	return "(" + s.Left.String() + " " + s.Op + " " + s.Right.String() + ")"
}
func (p *Pipeline) String() string     { return "(" + joinStages(p.Stages) + ")" }
func (s *ScalarFilter) String() string { return s.Left.String() + " " + s.Op + " " + s.Right.String() }
func (g *GroupBy) String() string      { return "by(" + g.Expr.String() + ")" }
func (*Coalesce) String() string       { return "coalesce()" }
func (s *Select) String() string       { return "select(" + joinFields(s.Fields) + ")" }

func (a *Aggregate) String() string {
	if a.Expr == nil {
		return a.Func + "()"
	}
	return a.Func + "(" + a.Expr.String() + ")"
}

func (s *ScalarOp) String() string {
	return "(" + s.Left.String() + " " + s.Op + " " + s.Right.String() + ")"
}
func (b *Binary) String() string {
	return "(" + b.Left.String() + " " + b.Op + " " + b.Right.String() + ")"
}
func (u *Unary) String() string    { return "(" + u.Op + u.X.String() + ")" }
func (s *Static) String() string   { return s.Value.String() }
func (f *FieldRef) String() string { return f.Field.String() }
